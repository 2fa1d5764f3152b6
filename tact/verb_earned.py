"""`tact earned`: what each message met with, the orders that stood behind it, and what it added over silence."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from models.policy_terms import CREDITS, Policy
from tact.console import console, fail, load_settings
from tact.grids import grid
from tact.learning import MOMENT, LakeOption, ShopOption, shop_of, span_of, steps
from tact.outputs import FiguresOption, file_to_write, write_text
from tact.policies import policy_of
from training.attribution import Attribution, Earned
from training.trials import LakeTrials, in_batches

_ALWAYS: Final = 1 << 62
"""A moment by which every window has ended: what is open still is told as far as it came."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("earned")(earned)


def earned(
    lake: LakeOption = None,
    shop: ShopOption = "",
    policy: Annotated[Path | None, typer.Option("--policy", help="Default: the shop's live policy.")] = None,
    since: Annotated[str, typer.Option("--since", help=f"Decisions from. {MOMENT}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Decisions before. {MOMENT}")] = "",
    credit: Annotated[str, typer.Option("--credit", help=f"{', '.join(CREDITS)}. Default: the policy's.")] = "",
    json_file: FiguresOption = None,
) -> None:
    """Tell what each message earned: rates, the orders and revenue behind it, and what it added over silence."""
    if credit and credit not in CREDITS:
        fail(f"--credit {credit} is none of {', '.join(CREDITS)}", code=2)
    settings = load_settings()
    span = span_of(since, until)
    file_to_write(json_file, "--json")
    root = lake if lake is not None else settings.lake
    shop = shop_of(root, shop)
    about = policy_of(settings, shop, policy)
    found = Attribution(about)
    trials = LakeTrials(root, shop, about, *span, now_ms=_ALWAYS, heed=found.heed)
    with steps() as progress:
        progress("following messages", 0.0)
        for batch in in_batches(trials):
            found.learn(batch)
        progress("following messages", 1.0)
    if not trials.counts["decisions"]:
        fail(f"{root} has no decisions of shop {shop!r} in that time")
    rows, by = found.earned(), credit or about.attribution.credit
    show(rows, about, by)
    _tell(found, trials.counts, about)
    if json_file is not None:
        window = {"shop": shop, "policy": about.version, "window_s": about.attribution.window_s, "credit": by}
        counts = {"attributed_orders": found.attributed, "counts": dict(trials.counts)}
        figures = {**window, **counts, "actions": [row.as_dict() for row in rows]}
        write_text(json_file, json.dumps(figures, indent=1, allow_nan=False) + "\n")


def show(rows: Sequence[Earned], policy: Policy, by: str) -> None:
    """The table for the terminal."""
    unit = "orders" if policy.reward is None else "reward"
    figures = ("decided", "shown", "clicked", "dismissed", f"orders\n({by})", f"{policy.currency}\n({by})")
    added = f"added over\nsilence, {unit}"
    table = grid("action", *figures, added, whole=(*figures, added), right=figures)
    for row in rows:
        met = (f"{row.decided:,}", f"{row.shown:,}", _rated(row.clicked, row.shown), _rated(row.dismissed, row.shown))
        table.add_row(escape(row.action), *met, f"{row.orders[by]:,.1f}", f"{row.revenue[by]:,.0f}", _added(row))
    console.print(table)
    if any(row.added is None for row in rows):
        console.print("–: too little data, shown or not, to tell what a message added", soft_wrap=True)


def _rated(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "–"


def _added(row: Earned) -> str:
    one = row.added
    return "–" if one is None else f"{one.value:+,.1f}\n[{one.low:+,.1f}, {one.high:+,.1f}]"


def _tell(found: Attribution, counts: Mapping[str, int], policy: Policy) -> None:
    window = f"{policy.attribution.window_s // 86_400} days" if policy.attribution.window_s else "the session"
    console.print(
        f"{found.attributed:,} orders stood behind a message within {window}, refunds taken off. They are attributed, "
        "not incremental: some would have come anyway. What was added is told against silence at the same moments.",
        soft_wrap=True,
    )
    told = ", ".join(f"{counts[name]:,} {name}" for name in ("counted", "unknown", "late", "again"))
    console.print(f"outcomes of {counts['decisions']:,} decisions: {told}", soft_wrap=True)
