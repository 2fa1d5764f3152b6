"""The model card as sections of plain text, the same for the terminal and the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from models.intent import INTENTS
from training.figures import counted
from training.levels import MECHANICAL, immature, level_of_auc

FIRST: Final = 5
"""Features named of each model."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a table (head and rows, every cell text) and sentences; each may be empty."""

    title: str
    head: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    words: Sequence[str] = field(default=())


def sections(manifest: Mapping[str, Any], identifier: str) -> list[Section]:
    """All a manifest tells. A manifest that lacks a part, as older ones do, gives the sections it has."""
    found = [
        _about(manifest, identifier),
        _figures(manifest.get("figures", {})),
        _models(manifest.get("models", {})),
        _leaks(manifest.get("leaks")),
        _data(manifest.get("data_checks")),
        Section("Known limits", words=list(manifest.get("limits", ()))),
    ]
    return [one for one in found if one.rows or one.words]


def _about(manifest: Mapping[str, Any], identifier: str) -> Section:
    window, rows = manifest.get("window", {}), manifest.get("rows", {})
    facts = {
        "bundle": identifier,
        "learned from shop": manifest.get("shop"),
        "window (UTC)": f"{_moment(window.get('since'))} to {_moment(window.get('until'))}" if window else None,
        "sessions": _count(manifest.get("sessions")),
        "events": _count(manifest.get("events")),
        "rows learned from": _count(rows.get("fit")),
        "rows held back": _count(rows.get("hold")),
        "rows left out by a limit": _count(rows.get("left_out")) if rows.get("left_out") else None,
        "products": _count(manifest.get("items")),
        "settings of the trees": _searched(manifest.get("search", {})),
        "steps of a session, at most": _count(manifest.get("max_prefix")),
        "seed": str(manifest["seed"]) if "seed" in manifest else None,
        "feature table": manifest.get("features", {}).get("fingerprint"),
        "the log has no": ", ".join(manifest.get("lacks", ())) or None,
    }
    return Section("What it is", (), [(name, str(value)) for name, value in facts.items() if value])


def _searched(search: Mapping[str, Any]) -> str | None:
    """What `--search` tried and kept; None where it was not asked for."""
    models = search.get("models", {})
    if not models:
        return f"the defaults: {search['reason']}" if search.get("reason", "not asked for") != "not asked for" else None
    kept = ", ".join(name for name, one in models.items() if one["chosen"])
    told = f"{counted(search['tried'], 'other')} tried on {counted(search['folds'], 'earlier fold')}"
    return f"{told}; better beyond chance, and kept, for {kept or 'no model'}"


def _moment(text: Any) -> str:
    return str(text)[:16].replace("T", " ")


def _count(number: Any) -> str | None:
    return f"{number:,}" if isinstance(number, int) else None


def _figures(figures: Mapping[str, Any]) -> Section:
    intents = figures.get("intent", {})
    rows = [_intent(name, intents[name]) for name in INTENTS if name in intents]
    stage = figures.get("stage", {})
    if stage.get("macro_f1") is not None:
        score = f"macro-F1 {stage['macro_f1']:.3f}, log loss {stage['log_loss']:.3f}"
        rows.append(("stage", "", score, "", "", f"{stage['n']:,}", ""))
    title = f"Figures on {figures.get('on', 'a later slice')}"
    return Section(title, ("", "AUC", "average precision", "base rate", "ECE", "rows", "level"), rows)


def _intent(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    if one.get("auc") is None:
        reason = str(one.get("reason", "not computed"))
        return (name, "–", "–", _number(one.get("base_rate")), "–", f"{one.get('n', 0):,}", reason)
    level = "" if name in MECHANICAL else level_of_auc(float(one["auc"])).name
    few = immature(int(one.get("positives", 0))).split(":")[0]
    cells = [_number(one.get(key)) + _span(one.get(f"{key}_ci")) for key in ("auc", "average_precision")]
    base, ece = (_number(one.get(key)) for key in ("base_rate", "ece"))
    return (name, *cells, base, ece, f"{one['n']:,}", ", ".join(word for word in (level, few) if word))


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.4f}"


def _span(limits: Any) -> str:
    return "" if not limits else f" [{limits[0]:.3f}, {limits[1]:.3f}]"


def _models(cards: Mapping[str, Any]) -> Section:
    rows = []
    for name, one in cards.items():
        first = sorted(one.get("importance", {}).items(), key=lambda pair: -pair[1])[:FIRST]
        looks = ", ".join(f"{feature} {100 * share:.0f}\u00a0%" for feature, share in first) or one.get("note", "")
        rows.append((name, str(one.get("rounds", "")), str(one.get("calibration", "")), looks))
    return Section("What each model looks at", ("model", "trees", "calibration", "share of the gain"), rows)


def _leaks(leaks: Any) -> Section:
    if not isinstance(leaks, Mapping):
        return Section("Leaks", words=["Not looked for."])
    said = f"{leaks['rows']:,} vectors were made again from the log cut right after them."
    none = [] if leaks["found"] else ["All have the same bits, and no feature or model ranks too well to be true."]
    return Section("Leaks", words=[said, *none, *(f"{one['detail']} ({one['level']})." for one in leaks["findings"])])


def _data(findings: Any) -> Section:
    if not isinstance(findings, Sequence):
        return Section("Data checks", words=["Not made."])
    rows = [(one["name"], one["level"], f"{one['rows']:,}", one["message"]) for one in findings]
    if not rows:
        return Section("Data checks", words=["Nothing to warn of."])
    return Section("Data checks", ("check", "level", "rows", "found"), rows)
