"""`tact personas`: clusters of a shop's visitors in words and figures, how stable they are, and names that last."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from models.persona import InvalidPersonas
from models.persona_files import live, publish
from tact.console import console, errors, fail
from tact.grids import grid
from tact.learning import MOMENT, LakeOption, SeedOption, ShopOption, shop_of, span_of, steps, the_lake
from tact.outputs import FiguresOption, file_to_write, write_text
from training.lake import load_log
from training.persona_find import Found, TooFewVisitors, find


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("personas")(personas)


def personas(
    lake: LakeOption = None,
    shop: ShopOption = "",
    since: Annotated[str, typer.Option("--since", help=f"Only events from here on. {MOMENT}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Only events before this. {MOMENT}")] = "",
    utc_offset: Annotated[
        float, typer.Option("--utc-offset", min=-12, max=14, help="The shop's hours ahead of UTC, for times of day.")
    ] = 0.0,
    put_in_use: Annotated[
        bool, typer.Option("--publish", help="Put them in use: names persist, rules may ask visitor.persona.")
    ] = False,
    json_file: FiguresOption = None,
    seed: SeedOption = 1,
) -> None:
    """Find kinds of visitors by how they travel. Ends with 1 where --publish is refused, with 2 on bad input."""
    file_to_write(json_file, "--json")
    root, (since_ms, until_ms) = the_lake(lake), span_of(since, until)
    name = shop_of(root, shop)
    try:
        before = live(root, name)
    except InvalidPersonas as error:
        errors.print(f"names begin anew: {error}", markup=False, soft_wrap=True)
        before = None
    try:
        with steps() as progress:
            progress("reading the log", 0.0)
            log = load_log(root, name, since_ms, until_ms)
            progress("reading the log", 1.0)
            found = find(log, seed, before, utc_offset, progress)
    except TooFewVisitors as error:
        fail(str(error))
    if json_file is not None:
        figures = {"shop": name, "id": found.personas.id, **found.personas.told}
        write_text(json_file, json.dumps(figures, indent=1, allow_nan=False) + "\n")
    _show(found)
    if put_in_use:
        _publish(root, found)


def _publish(root: Path, found: Found) -> None:
    if not found.stable:
        fail(
            f"not put in use: these clusters are {found.personas.told['verdict']}, and their names may not last",
            "A rule that asks for one would change whom it means. Try again with more visitors.",
        )
    path = publish(root, found.personas)
    console.print(f"in use: {path}", markup=False, soft_wrap=True)


def _show(found: Found) -> None:
    told = found.personas.told
    table = grid(
        "persona", "visitors", "share", "what stands out", "bought", "again", right=("visitors", "share", "again")
    )
    for row in told["personas"]:
        low, high = row["bought_ci"]
        bought = escape(f"{row['bought_share']:.1%} [{low:.1%}, {high:.1%}]")
        words = escape(row["words"] + ("; orders as businesses do" if row["business_like"] else ""))
        table.add_row(
            row["persona"], f"{row['visitors']:,}", f"{row['share']:.0%}", words, bought, f"{row['jaccard']:.2f}"
        )
    console.print(table)
    console.print(verdict(told), soft_wrap=True, markup=False)
    early = told["early"]
    if early["agree"] is not None:
        console.print(
            f"after {early['records']} events {early['agree']:.0%} of {early['visitors']:,} busy visitors already have "
            f"the persona they end with (by chance {early['by_chance']:.0%})",
            soft_wrap=True,
        )
    window = told["window"]
    console.print(
        f"{window['without']:,} of {window['visitors']:,} visitors did too little to have one", soft_wrap=True
    )


def verdict(told: Mapping[str, Any]) -> str:
    """How far the clusters can be trusted, as a sentence."""
    one = told["stability"]
    low, high = one["rand_ci"]
    words = {
        "stable": "stable: found again in other samples of these visitors",
        "not stable": "NOT stable: other samples of these visitors give other clusters; do not build on them",
        "by degrees": "no kinds: visitors differ by degrees; traits that have nothing in common cut as well",
    }[told["verdict"]]
    return (
        f"{words} (adjusted Rand index {one['rand']:.2f} [{low:.2f}, {high:.2f}] over bootstraps; the personas explain "
        f"{one['explained']:.0%} of how visitors differ, of shuffled traits {one['shuffled']:.0%})"
    )
