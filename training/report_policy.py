"""The page of a simulated contest: shares of the oracle's gain and regret curves, for each truth."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from training.pictures import name_of, regret_curves
from training.report_page import contents, page, picture, section, table

NOTE = (
    "Visitors, effects and orders here are simulated: the figures tell how well a policy learns a truth that is known, "
    "and nothing of what messages earn in a real shop."
)


def render(found: Sequence[Mapping[str, Any]]) -> str:
    """The page of the figures of training/shop_contest.py, one section for each truth."""
    sections = [_section(one) for one in found]
    top = "<h1>Simulated shops with known truth</h1>" + f"<p>{escape(NOTE)}</p>"
    return page("Simulated shops", [top, contents({one["truth"]: one["truth"] for one in found}), *sections])


def _section(one: Mapping[str, Any]) -> str:
    seeds = len(one["seeds"])
    facts = (
        f"{one['decisions']:,} decisions, {seeds} seed{'s' if seeds > 1 else ''}. The oracle earns "
        f"{one['oracle_gain_over_silence']:.1%} more than silence; 100 % below is that gain."
    )
    points = list(next(iter(one["players"].values()))["now"])
    head = ("", *(f"at {int(p):,}" for p in points), "so far", "lowest 5,000")
    rows = [_row(name, player, points) for name, player in one["players"].items() if name != "silence"]
    skipped = "".join(f'<p class="quiet">{escape(name_of(n))}: {escape(w)}.</p>' for n, w in one["skipped"].items())
    curves = {n: p["curve"] for n, p in one["players"].items() if n not in ("oracle", "seeing_oracle")}
    drawn = regret_curves(curves, f"Regret of {one['truth']}")
    words = (
        "Regret: what the oracle earned more, in money, summed. Flat is as good as the oracle; right: the lowest three."
    )
    return section(
        one["truth"],
        one["truth"],
        f"<p>{escape(one['description'])}</p><p>{facts}</p>",
        table(head, rows, "", name_of("tact")),
        skipped,
        picture(drawn, words),
    )


def _row(name: str, player: Mapping[str, Any], points: Sequence[str]) -> tuple[str, ...]:
    last = player["so_far"][points[-1]] if points else {"mean": None, "sd": None}
    low = player["lowest_after_warm_up"]
    return (name_of(name), *(spread(player["now"][p]) for p in points), spread(last), f"{low:.0%}")


def spread(one: Mapping[str, float | None]) -> str:
    """Mean ± standard deviation over seeds, in per cent."""
    if one["mean"] is None:
        return "–"
    return f"{one['mean']:.1%}" + (f" ± {one['sd']:.1%}" if one["sd"] is not None else "")
