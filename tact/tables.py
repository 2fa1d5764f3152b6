"""The figures of `tact evaluate` as tables: for the terminal (rich) and as Markdown (`--table`), made from one form."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from training.figures import counted

Figures = Mapping[str, Any]

NAMES: Final[Mapping[str, str]] = {
    "tact": "**Tact**",
    "tact_without_own": "**Tact** without own items",
    "base_rate": "base rate",
    "static_map": "last event alone",
    "majority": "most common",
    "hand_rule": "hand rule",
    "plain_trees": "LightGBM, 25 features",
    "plain_trees_weighted": "the same, prior adjusted",
    "pause": "pause, as many false alarms",
    "pause_60s": "pause of 60 s",
    "vstan": "VSTAN",
    "stan": "STAN",
    "vsknn": "VS-KNN",
    "sr": "SR",
    "ar": "AR",
    "als": "ALS item-item",
}
_SHARES: Final = tuple(f"{name}{cut}" for cut in (5, 10, 20) for name in ("hr", "mrr"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. rows: as many cells as head, text."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table as Markdown, its title above."""
        rule = tuple("---" if at == 0 else "---:" for at in range(len(self.head)))
        lines = [self.head, rule, *self.rows]
        body = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return f"### {self.title}\n\n{body}\n"


def sheets(figures: Figures) -> list[Sheet]:
    """Every table that the figures hold."""
    found = list(_intents(figures.get("intent", {})))
    if "stage" in figures:
        found.append(_compared("Stage", figures["stage"], ("macro_f1", "log_loss")))
    if "milestone" in figures:
        found.append(_compared("Next milestone", figures["milestone"], ("macro_f1",)))
        found.append(_classes(figures["milestone"]))
    found += _warnings(figures.get("early_warning", {}))
    for regime, one in figures.get("recommend", {}).items():
        found += _recommend(regime, one)
    if "cold_start" in figures:
        found += _cold_start(figures["cold_start"])
    return found


def as_markdown(figures: Figures) -> str:
    """All of it, the windows first."""
    shop, tested = figures["shop"], figures["test_shop"]
    where = f"Shop `{shop}`" + (f", tested on `{tested}`" if tested != shop else "")
    part = figures.get("cold_start", figures)
    most = part["max_prefix"]
    cut = "whole sessions" if most is None else f"sessions cut after {counted(most, 'step')}"
    how = f"seed {figures['seed']}, {cut}; intervals are 95 %"
    lines = [f"{where}, {how}"]
    for what in ("train", "test"):
        one = part[what]
        lines.append(f"{what}: {one['since']} to {one['until']}, {amount(one, 'moment')}")
    return "\n".join(f"- {line}" for line in lines) + "\n\n" + "\n".join(one.markdown() for one in sheets(figures))


def amount(window: Figures, row: str) -> str:
    """How many sessions a window has, and rows if any were made of them."""
    rows = "" if window["rows"] is None else f", {counted(window['rows'], row)}"
    return counted(window["sessions"], "session") + rows


def _cell(row: Figures, measure: str, signed: bool = False) -> str:
    """A figure and its interval."""
    value = row.get(measure)
    if value is None:
        return "–"
    limits = row.get(f"{measure}_ci")
    form = "+.3f" if signed else ".3f"
    words = format(value, form)
    return words if limits is None else f"{words} [{format(limits[0], form)}, {format(limits[1], form)}]"


def _named(model: str) -> str:
    return NAMES.get(model, model.replace("_", " "))


def _intents(intents: Figures) -> Iterator[Sheet]:
    measures = ("auc", "average_precision", "ece")
    for name, one in intents.items():
        base = one["base_rate"]
        facts = counted(one["n"], "moment") + (f", base rate {base:.3f}" if base is not None else "")
        why = f"; not judged: {one['reason']}" if one.get("reason") else ""
        yield _compared(f"Intent {name}: {facts}{why}", one, measures)
        if one["auc"] is not None:
            rows = tuple(
                (str(part["prefix"]), f"{part['n']:,}", *(_cell(part, key) for key in ("base_rate", *measures)))
                for part in one["by_prefix"]
            )
            head = ("steps into the session", "moments", "base rate", "AUC", "average precision", "ECE")
            yield Sheet(f"Intent {name}, by steps into the session", head, rows)
        if "prequential" in one and one["auc"] is not None:
            yield _compared(
                f"Intent {name}, its level following the stream as it is served", one["prequential"], measures
            )


_HEADS: Final[Mapping[str, str]] = {
    "auc": "AUC",
    "average_precision": "average precision",
    "ece": "ECE",
    "macro_f1": "macro-F1",
    "log_loss": "log loss",
    "lead_events": "events ahead",
    "warned": "warned",
    "caught": "caught",
    "false_alarms": "false alarms",
}


def _head(measure: str) -> str:
    plain = re.sub(r"^(hr|mrr)(?=\d)", lambda found: found[1].upper() + "@", measure).replace("_", " ")
    return _HEADS.get(measure, plain)


def _compared(title: str, one: Figures, measures: Sequence[str]) -> Sheet:
    """Ours beside its baselines, and how far ahead of each."""
    main = measures[1] if "average_precision" in measures else measures[0]
    head = ("", *(_head(measure) for measure in measures), f"ahead in {_head(main)}")
    rows = [("tact", one), *one["baselines"].items()]
    cells = tuple(
        (
            _named(model),
            *(_cell(row, measure) for measure in measures),
            "" if model == "tact" else _cell(one["ahead"].get(model, {}), main, True),
        )
        for model, row in rows
    )
    return Sheet(title, head, cells)


def _classes(one: Figures) -> Sheet:
    rows = tuple(
        (name.replace("_", " "), _cell(row, "share"), _cell(row, "f1")) for name, row in one["classes"].items()
    )
    return Sheet("Next milestone, by class", ("", "share", "F1"), rows)


def _warnings(signals: Figures) -> Iterator[Sheet]:
    measures = ("lead_events", "warned", "caught", "false_alarms")
    for name, one in signals.items():
        why = f"; not judged: {one['reason']}" if one.get("reason") else ""
        title = f"Early warning, {name}: {counted(one['n'], 'session')}{why}"
        sheet = _compared(title, one, measures)
        at = ("**Tact** at the false alarms of 60 s", *(_cell(one["at_pause_60s"], m) for m in measures), "")
        yield Sheet(sheet.title, sheet.head, (sheet.rows[0], at, *sheet.rows[1:]))


def _recommend(regime: str, figures: Figures) -> Iterator[Sheet]:
    models = {name: one for name, one in figures.items() if isinstance(one, dict) and "hr20" in one}
    for part, what in (("", "all targets"), ("_seen", "seen products only")):
        measures = [f"{name}{part}" for name in _SHARES]
        rows = tuple((_named(name), *(_cell(one, measure) for measure in measures)) for name, one in models.items())
        count = figures.get("n" if not part else "n_seen")
        title = f"Recommendations, {regime}, {what}" + (f": {count:,} targets" if count is not None else "")
        yield Sheet(title, ("", *(_head(name) for name in _SHARES)), rows)
    for key, ours in (("ahead", "Tact"), ("ahead_without_own", "Tact without own items")):
        if key in figures:
            rows = tuple(
                (_named(name), *(_cell(one, measure, True) for measure in ("hr20", "mrr20")))
                for name, one in figures[key].items()
            )
            yield Sheet(f"Recommendations, {regime}: {ours} ahead of", ("", "HR@20", "MRR@20"), rows)


def _cold_start(figures: Figures) -> Iterator[Sheet]:
    """Models from other shops beside local ones of each span, when these overtake, and what was left out."""
    measures = (("buy", "auc"), ("buy", "average_precision"), ("cart", "auc"), ("leave", "auc"), ("stage", "macro_f1"))
    shown = [pair for pair in measures if pair[0] == "stage" or pair[0] in figures["models"]["foreign"]["intent"]]
    rows = tuple(
        (
            name.replace("_", ", "),
            f"{figures['rows'].get(name.partition('_')[2], figures['train']['rows']):,}",
            *(_cell(one["stage"] if model == "stage" else one["intent"][model], measure) for model, measure in shown),
            "" if name == "foreign" else _cell(one["ahead"].get("buy", {}), "auc", True),
        )
        for name, one in figures["models"].items()
    )
    head = ("trained on", "moments", *(f"{model} {_head(measure)}" for model, measure in shown))
    yield Sheet("Cold start", (*head, "ahead of foreign in buy AUC"), rows)
    overtakes = figures["overtakes"].items()
    ahead = tuple((m, _head(measure), at or "never") for m, one in overtakes for measure, at in one.items())
    yield Sheet("Local models are surely ahead of foreign ones", ("model", "in", "from a span of"), ahead)
    if figures["skipped"]:
        yield Sheet("Spans left out", ("span", "why"), tuple(figures["skipped"].items()))
