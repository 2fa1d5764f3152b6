"""The report's parts about recommendations, other shops and drift."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from training import pictures
from training.figures import counted
from training.pictures import name_of
from training.report_page import Figures, difference, grid, picture, row, section, span, table, verdict

REGIMES: Final[Mapping[str, tuple[str, str]]] = {
    "frozen": ("Recommendations, frozen", "What everyone knew at the end of training, as papers do it."),
    "prequential": (
        "Recommendations, learning as it goes",
        "Each view of the test is predicted, then learned from: what a shop would see, for everyone who can learn.",
    ),
}
MEASURES: Final = {
    "hr5": "HR@5",
    "mrr5": "MRR@5",
    "hr10": "HR@10",
    "mrr10": "MRR@10",
    "hr20": "HR@20",
    "mrr20": "MRR@20",
}
SEEN: Final = {"hr20_seen": "HR@20", "mrr20_seen": "MRR@20"}
OURS: Final = ("tact", "tact_without_own")


def recommenders(figures: Figures) -> dict[str, Figures]:
    """Those of a regime, by name."""
    return {name: one for name, one in figures.items() if isinstance(one, Mapping) and "hr20" in one}


def headline(regime: str, figures: Figures) -> str:
    """One sentence for the top of the page, as a list item."""
    known = {name: one for name, one in recommenders(figures).items() if one.get("hr20") is not None}
    if "tact" not in known:
        return ""
    ours = known["tact"]
    said = (
        f"<b>{REGIMES[regime][0]}</b>HR@20 {ours['hr20']:.3f}, MRR@20 {ours['mrr20']:.3f}: "
        f"{100 * ours['hr20']:.0f} % of the next products viewed stand among the first 20"
    )
    others = [name for name in known if name not in OURS]
    if not others:
        return f"<li>{said}.</li>"
    best = max(others, key=lambda name: known[name]["hr20"])
    ahead = figures.get("ahead", {}).get(best, {})
    if ahead.get("hr20") is None:
        return f"<li>{said}; the best baseline, {name_of(best)}, has {known[best]['hr20']:.3f}.</li>"
    limits = ahead.get("hr20_ci")
    shade = "bad" if verdict(limits) == "behind" else ""
    return (
        f'<li class="{shade}">{said}; {verdict(limits)} {name_of(best)} ({known[best]["hr20"]:.3f}; difference '
        f"{ahead['hr20']:+.3f} {span(limits, sign=True)}).</li>"
    )


def recommend(regime: str, figures: Figures) -> str:
    """One regime: everyone's figures, paired differences, the same without unseen products."""
    title, told = REGIMES[regime]
    models = recommenders(figures)
    known = {name: one for name, one in models.items() if one.get("hr20") is not None}
    if not known:
        why = next((str(one["reason"]) for one in models.values() if one.get("reason")), "no figure")
        return section(f"recommend-{regime}", title, f"<p>{told} Not judged: {escape(why)}.</p>")
    share = figures.get("seen_share")
    unseen = "" if share is None else f" {100 * (1 - share):.0f} % were unseen in training and count as misses."
    targets, sessions = counted(figures["n"], "target"), counted(figures["sessions"], "session")
    counts = f"The next product viewed; {targets} in {sessions}, full catalogue."
    images = [picture(pictures.bars(known, measure, words, words), words) for measure, words in _BARS.items()]
    parts = [f"<p>{told} {counts}{unseen}</p>", grid(models, MEASURES, kind="dense"), row(images)]
    for key, ours in (("ahead", "Tact"), ("ahead_without_own", "Tact, own items switched off,")):
        parts.append(_ahead(figures.get(key, {}), ours))
    if any(one.get("hr20_seen") is not None for one in models.values()):
        parts.append("<h3>With unseen products left out</h3>" + grid(models, SEEN))
    return section(f"recommend-{regime}", title, *parts)


_BARS: Final = {"hr20": "hit rate at 20", "mrr20": "mean reciprocal rank at 20"}


def _ahead(ahead: Figures, ours: str) -> str:
    rows = [
        (name_of(name), difference(one, "hr20"), difference(one, "mrr20"))
        for name, one in ahead.items()
        if one.get("hr20") is not None
    ]
    return f"<h3>{ours} minus each, on the same targets</h3>" + table(("", "HR@20", "MRR@20"), rows) if rows else ""


def plain(name: str, title: str, figures: Any) -> str:
    """Any part of the figures as a table of its own keys: for what has no part of its own in this report."""
    return section(name, title, _nested(figures, 3))


def _nested(value: Any, level: int) -> str:
    """Numbers of one level side by side; a level below under its own heading."""
    if not isinstance(value, Mapping):
        return f"<p>{escape(_word(value))}</p>"
    inner = {key: one for key, one in value.items() if isinstance(one, Mapping)}
    flat = {key: one for key, one in value.items() if key not in inner and not key.endswith("_ci")}
    parts = []
    if flat:
        spans = {key: value.get(f"{key}_ci") for key in flat}
        facts = [(escape(_plain(key)), f"{escape(_word(one))} {span(spans[key])}") for key, one in flat.items()]
        parts.append(table((), facts, "words"))
    if inner and all(_is_flat(one) for one in inner.values()):
        keys = list(dict.fromkeys(key for one in inner.values() for key in one if not key.endswith("_ci")))
        rows = [(escape(_plain(name)), *(_inner(one, key) for key in keys)) for name, one in inner.items()]
        parts.append(table(("", *(escape(_plain(key)) for key in keys)), rows))
    else:
        for name, one in inner.items():
            parts.append(f"<h{level}>{escape(_plain(name))}</h{level}>{_nested(one, min(level + 1, 6))}")
    return "".join(parts)


def _is_flat(one: Figures) -> bool:
    return not any(isinstance(value, Mapping | list) and not key.endswith("_ci") for key, value in one.items())


def _inner(one: Figures, key: str) -> str:
    return f"{escape(_word(one.get(key)))} <span class=quiet>{span(one.get(f'{key}_ci'))}</span>"


def _plain(key: str) -> str:
    return key.replace("_", " ")


def _word(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(_word(one) for one in value) if isinstance(value, list) else str(value)
