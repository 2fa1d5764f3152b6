"""`tact compare-lakes`: whether two lakes hold the same events, row by row."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from features import lakefile
from tact.console import console, fail
from tact.learning import MOMENT, moment


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("compare-lakes")(run)


def run(
    left: Annotated[Path, typer.Argument(help="A lake's folder.")],
    right: Annotated[Path, typer.Argument(help="Another's.")],
    shop: Annotated[str, typer.Option(help="The shop in the first lake.")],
    right_shop: Annotated[str, typer.Option(help="The shop in the second; default: the same.")] = "",
    until: Annotated[str, typer.Option(help=f"Only events before. {MOMENT}")] = "",
) -> None:
    """Compare the events of a shop in two lakes, all columns of all rows; exit status 1 if they differ."""
    until_ms = moment(until, "--until") if until else None
    ours, theirs = _rows(left, shop, until_ms), _rows(right, right_shop or shop, until_ms)
    if not len(ours) or not len(theirs):
        fail(f"nothing to compare: {len(ours)} rows in {left}, {len(theirs)} in {right}")
    console.print(f"{left}: {len(ours)} rows · {right}: {len(theirs)} rows")
    missing, extra = _only_in(ours, theirs), _only_in(theirs, ours)
    if missing or extra:
        fail(f"{missing} events only in {left}, {extra} only in {right}")
    different = {name: count for name in ours.schema.names if (count := _differing(ours[name], theirs[name]))}
    if different:
        fail("columns differ: " + ", ".join(f"{name} in {count} rows" for name, count in different.items()))
    console.print(f"equal: {len(ours)} rows, {len(ours.schema.names)} columns")


def _rows(lake: Path, shop: str, until_ms: int | None) -> pa.Table:
    """A shop's events without the shop's name, in one order, texts as plain strings."""
    table = lakefile.read_events(lake, shop, until_ms=until_ms).drop_columns("shop")
    plain = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in table.itercolumns()
    ]
    return pa.table(plain, names=table.schema.names).sort_by([("event_id", "ascending"), ("line", "ascending")])


def _keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["event_id"], table["line"].cast(pa.string()), "/")


def _only_in(table: pa.Table, other: pa.Table) -> int:
    return int(np.count_nonzero(~pc.is_in(_keys(table), value_set=_keys(other)).to_numpy()))


def _differing(ours: pa.ChunkedArray, theirs: pa.ChunkedArray) -> int:
    """Rows in which two columns differ; unknown equals unknown."""
    same = pc.fill_null(pc.equal(ours, theirs), False).to_numpy(zero_copy_only=False)
    both_unknown = pc.and_(pc.is_null(ours), pc.is_null(theirs)).to_numpy(zero_copy_only=False)
    return int(np.count_nonzero(~(same | both_unknown)))
