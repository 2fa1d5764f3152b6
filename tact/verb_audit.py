"""`tact audit`: who changed what a shop shows, when and to what, and whether the log is whole."""

import json
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.markup import escape

from service import audit as log
from service.audit import Entry, TamperedAudit
from tact.console import console, errors, load_settings
from tact.outputs import file_to_write, write_text
from tact.policies import known_shop
from training.figures import counted
from training.moments import iso

NONE: Final = "–"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("audit")(audit)


def audit(
    shop: Annotated[str, typer.Option("--shop", help="Only this shop's. Default: all.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the entries as JSON.")] = None,
) -> None:
    """List every change to what a shop shows; exit 1 if the log was changed."""
    file_to_write(json_file, "--json")
    settings = load_settings()
    found: list[Entry] = []
    broken = ""
    try:
        found.extend(log.read(settings.home))
    except (TamperedAudit, OSError) as error:
        broken = str(error)
    if shop and not broken:
        known_shop(settings, shop, {entry.shop for entry in found})
    listed = [entry for entry in found if not shop or entry.shop == shop]
    for entry in listed:
        _show(entry)
    if json_file is not None:
        whole = {"whole": not broken, "problem": broken, "entries": [msgspec.to_builtins(one) for one in listed]}
        write_text(json_file, json.dumps(whole, indent=1) + "\n")
    if broken:
        errors.print(f"[bold red]error[/] the log is not whole: {escape(broken)}", soft_wrap=True)
        raise typer.Exit(1)
    told, lines = counted(len(listed), "change"), counted(len(found), "line")
    console.print(f"{told}; the chain of {lines} is whole", soft_wrap=True)


def _show(one: Entry) -> None:
    """An entry in two lines, and a third for why: ids stay whole however narrow the terminal."""
    when = iso(one.at_ms)[:19].replace("T", " ")
    what = escape(f"{one.who}: {one.what} {one.target} of {one.shop}")
    console.print(f"[bold]{when}[/]  {what}  [dim]line {one.hash[:8]}[/]", soft_wrap=True)
    console.print(f"    {escape(one.before or NONE)} → {escape(one.after or NONE)}", soft_wrap=True)
    if one.why:
        console.print(f"    {escape(one.why)}", soft_wrap=True)
