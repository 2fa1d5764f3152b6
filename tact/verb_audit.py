"""`tact audit`: who changed what a shop shows, when and to what, and whether the log is whole."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from service import audit as log
from service.audit import Entry, TamperedAudit
from tact.console import console, errors, load_settings
from tact.outputs import file_to_write, write_text
from training.moments import iso


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("audit")(audit)


def audit(
    shop: Annotated[str, typer.Option("--shop", help="Only this shop's. Default: all.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the entries as JSON.")] = None,
) -> None:
    """List every change to what a shop shows; exit 1 if the log was changed."""
    file_to_write(json_file, "--json")
    home = load_settings().home
    found: list[Entry] = []
    broken = ""
    try:
        found.extend(log.read(home))
    except (TamperedAudit, OSError) as error:
        broken = str(error)
    listed = [entry for entry in found if not shop or entry.shop == shop]
    if listed:
        console.print(_table(listed))
    if json_file is not None:
        whole = {"whole": not broken, "problem": broken, "entries": [msgspec.to_builtins(one) for one in listed]}
        write_text(json_file, json.dumps(whole, indent=1) + "\n")
    if broken:
        errors.print(f"[bold red]error[/] the log is not whole: {escape(broken)}", soft_wrap=True)
        raise typer.Exit(1)
    console.print(f"{len(listed):,} changes; the chain of all {len(found):,} lines is whole", soft_wrap=True)


def _table(entries: list[Entry]) -> Table:
    grid = Table("when", "who", "what", "shop", "target", "before", "after", "why", "line")
    for one in entries:
        texts = (one.who, one.what, one.shop, one.target, one.before or "–", one.after or "–", one.why)
        grid.add_row(iso(one.at_ms), *(escape(text) for text in texts), one.hash[:8])
    return grid
