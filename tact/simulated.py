"""A what-if on the terminal: tables of what changes, and in words what it cannot tell."""

from typing import Final

from rich.markup import escape
from rich.table import Table

from tact.console import console
from tact.grids import grid, lined
from training.whatif import Side
from training.whatif_report import Moved, Reach, Report

ROWS: Final = 15
"""Changes shown, the largest; all of them are in the JSON."""


def show(report: Report) -> None:
    """The whole report."""
    about = report.about
    console.print(_heading(report), soft_wrap=True)
    console.print(_sides(about.old, about.new))
    console.print(_reach(report))
    if report.moved:
        console.print(_moved(report.moved[:ROWS]))
    else:
        console.print("no message shows noticeably more or less often, in any stage at any placement")
    _value(report)
    for note in report.notes:
        console.print(f"[cyan]note[/] {escape(note)}", soft_wrap=True)


def _heading(report: Report) -> str:
    about = report.about
    left = "".join(f"; left out: {count:,} of {reason}" for reason, count in about.left_out.items())
    taken = f" ({report.sampled})" if report.sampled else ""
    return f"shop {about.policy.shop}, policy {about.policy.version}: {about.decisions:,} decisions{taken}{left}"


def _sides(old: Side, new: Side) -> Table:
    table = grid("", "before", "after", right=("before", "after"), title="in all")
    for name, one in (
        ("placements that stay silent", "silence_share"),
        ("decisions with a cap, cool-down, rest or budget hit", "limited_share"),
        ("visitors with no eligible action", "unserved_share"),
        ("decisions with fewer than two eligible actions", "few_options_share"),
    ):
        table.add_row(name, f"{getattr(old, one):.1%}", f"{getattr(new, one):.1%}")
    table.add_row("eligible actions per decision", f"{old.optionality:.2f}", f"{new.optionality:.2f}")
    table.add_row("visitors", f"{len(old.asked):,}", f"{len(new.asked):,}")
    table.add_row("decisions of held-out visitors", f"{old.held_out:,}", f"{new.held_out:,}")
    return table


def _reach(report: Report) -> Table:
    titles = ("action", "", "eligible", "expected shows", "of eligible", "visitors", "gate that closes most")
    table = grid(*titles, whole=("action",), title="reach by action, before → after")
    for one in report.reach:
        table.add_row(*_reach_cells(one))
    return table


def _reach_cells(one: Reach) -> tuple[str, ...]:
    share = tuple(
        shown / eligible if eligible else None for shown, eligible in zip(one.shown, one.eligible, strict=True)
    )
    mark = {"same": "", "lost": "[red]lost[/]", "gone": "[yellow]gone[/]", "new": "[green]new[/]"}[one.standing]
    return (
        escape(lined(one.action)),
        mark,
        _pair(f"{one.eligible[0]:,}", f"{one.eligible[1]:,}"),
        _pair(f"{one.shown[0]:,.1f}", f"{one.shown[1]:,.1f}"),
        _pair(*("–" if value is None else f"{value:.1%}" for value in share)),
        _pair(f"{one.visitors[0]:,.1f}", f"{one.visitors[1]:,.1f}"),
        _pair(*(_most(gates) for gates in one.gates)),
    )


def _pair(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"


def _most(gates: dict[str, int]) -> str:
    return next((f"{gate} {count:,}" for gate, count in gates.items()), "–")


def _moved(moved: tuple[Moved, ...]) -> Table:
    heads = ("message", "stage", "placement", "before", "after", "change")
    table = grid(*heads, whole=heads[:3], right=heads[3:], title="who gains or loses which message")
    for one in moved:
        sign = "green" if one.change > 0 else "red"
        change = f"[{sign}]{one.change:+,.1f}[/]"
        stage = one.stage or "unknown"
        names = (escape(lined(one.action)), stage, escape(lined(one.placement)))
        table.add_row(*names, f"{one.old:,.1f}", f"{one.new:,.1f}", change)
    return table


def _value(report: Report) -> None:
    worth = report.worth
    if worth.refused:
        console.print(f"expected value: [yellow]cannot say[/]: {escape('; '.join(worth.refused))}", soft_wrap=True)
    elif worth.same:
        console.print("expected value: no difference; both choose alike in every decision")
    for name, one in (("before", worth.old), ("after", worth.new), ("difference", worth.difference)):
        if one is not None and not worth.same:
            span = f"95 % interval {one[1]:+.4g} to {one[2]:+.4g}"
            console.print(f"expected value {name}: {one[0]:+.4g} {worth.unit} per decision, {span}", soft_wrap=True)
    if worth.left_out:
        left = ", ".join(f"{count:,} {reason}" for reason, count in worth.left_out.items())
        console.print(f"valued on {worth.decisions:,} decisions; left out: {left}", soft_wrap=True)
