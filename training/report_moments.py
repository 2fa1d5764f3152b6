"""The report's parts about moments: intents, stage, next milestone, early warning."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from training import pictures
from training.evaluate import Scored
from training.pictures import name_of
from training.report_page import (
    Figures,
    confusion,
    difference,
    grid,
    picture,
    row,
    section,
    span,
    table,
    verdict,
)

MEANING: Final[Mapping[str, str]] = {
    "buy": "a purchase later in this session",
    "cart": "something put into the cart later in this session",
    "leave": "the session ends within the next event and two minutes",
    "help": "the next event opens a chat or is an error",
}
INTENT_MEASURES: Final = {"auc": "AUC", "average_precision": "average precision", "ece": "calibration error"}
STAGE_MEASURES: Final = {"macro_f1": "macro-F1", "log_loss": "log loss"}


def best_baseline(figures: Figures, measure: str) -> str:
    """The baseline with the highest figure, "" where none has one."""
    known = {name: one[measure] for name, one in figures.get("baselines", {}).items() if one.get(measure) is not None}
    return max(known, key=lambda name: known[name]) if known else ""


def intent_headline(name: str, figures: Figures) -> str:
    """One sentence for the top of the page, as a list item."""
    what = f"<b>{name.capitalize()}</b>{MEANING.get(name, '').capitalize()}"
    if figures.get("auc") is None:
        why = figures.get("note") or figures.get("reason", "no figure")
        return f'<li class="none">{what}: cannot be judged on this log ({escape(why)}).</li>'
    key = best_baseline(figures, "average_precision")
    lift = figures["average_precision"] / figures["base_rate"]
    said = (
        f"{what}: average precision {figures['average_precision']:.3f}, {lift:.1f} times the base rate of "
        f"{figures['base_rate']:.3f}"
    )
    ahead = figures.get("ahead", {}).get(key, {})
    if ahead.get("average_precision") is None:
        return f"<li>{said}; no baseline could be fitted.</li>"
    limits = ahead["average_precision_ci"]
    shade = "bad" if verdict(limits) == "behind" else ""
    return (
        f'<li class="{shade}">{said}; {verdict(limits)} {name_of(key)} (difference {ahead["average_precision"]:+.3f} '
        f"{span(limits, sign=True)}). When it names a probability it is off by {100 * figures['ece']:.1f} points on "
        "average.</li>"
    )


def class_headline(title: str, figures: Figures) -> str:
    """The same for stage or milestone."""
    if figures.get("macro_f1") is None:
        return ""
    best = best_baseline(figures, "macro_f1")
    said = f"<b>{title}</b>Macro-F1 {figures['macro_f1']:.3f}"
    if not best or figures["ahead"].get(best, {}).get("macro_f1") is None:
        return f"<li>{said}.</li>"
    limits = figures["ahead"][best]["macro_f1_ci"]
    static = figures["baselines"].get("static_map", {}).get("macro_f1")
    map_ = "" if static is None else f"; the static map most tools use: {static:.3f}"
    return f"<li>{said}; {verdict(limits)} {name_of(best)} ({figures['baselines'][best]['macro_f1']:.3f}){map_}.</li>"


def intent(name: str, figures: Figures, scored: Scored | None) -> str:
    """One intent: table, curves, calibration, by steps, importance."""
    title, means = f"Intent: {name}", MEANING.get(name, "")
    if figures.get("auc") is None:
        why = escape(figures.get("note") or figures.get("reason", "no figure"))
        return section(f"intent-{name}", title, f"<p>{means.capitalize()}. Not judged: {why}.</p>")
    by = figures.get("calibrated_by", "identity")
    how = "not calibrated: no curve was better" if by == "identity" else f"calibrated by {by}"
    facts = (
        f"<p>{means.capitalize()}. {figures['n']:,} moments, {figures['positives']:,} of them yes; {escape(how)}.</p>"
    )
    facts += _followed(figures.get("prequential"))
    everyone = grid({"tact": figures, **figures.get("baselines", {})}, INTENT_MEASURES)
    ahead = _ahead(figures.get("ahead", {}), {"auc": "AUC", "average_precision": "average precision"})
    return section(f"intent-{name}", title, facts, everyone, ahead, row(_intent_pictures(name, figures, scored)))


def _followed(figures: Figures | None) -> str:
    """What following the stream makes of the calibration, where that is done."""
    if figures is None or figures.get("ece") is None:
        return ""
    said = f"{figures['ece']:.3f} on average {span(figures['ece_ci'])}"
    return f"<p>With its level following the stream, as it is served, it is off by {said}; below it is frozen.</p>"


def _intent_pictures(name: str, figures: Figures, scored: Scored | None) -> list[str]:
    images = []
    if scored is not None:
        roc, curve = pictures.ranking(scored.label, scored.by, name)
        images += [picture(roc, "Ranking: found against false alarms (ROC)"), picture(curve, "Precision and recall")]
    if figures.get("calibration"):
        drawn = pictures.calibration(figures["calibration"], f"{name}: calibration")
        images.append(picture(drawn, "Calibration: on the line, what it says is how often it is so"))
    for measure, words in (("auc", "AUC"), ("average_precision", "average precision")):
        if figures.get("by_prefix"):
            drawn = pictures.by_prefix(figures["by_prefix"], measure, words, f"{name}: {words} by steps")
            images.append(picture(drawn, f"{words[0].upper()}{words[1:]} by steps into the session"))
    if figures.get("importance"):
        drawn = pictures.importance(figures["importance"], f"{name}: importance")
        images.append(picture(drawn, "What the model looks at"))
    return images


def _ahead(ahead: Figures, measures: Mapping[str, str]) -> str:
    rows = [(name_of(name), *(difference(one, key) for key in measures)) for name, one in ahead.items() if one]
    return table(("Tact minus", *measures.values()), rows) if rows else ""


def stage(figures: Figures) -> str:
    """The six stages."""
    told = "<p>Labels are made in hindsight from what the visitor then did (docs/labels.md).</p>"
    return _classes("stage", "Stage of the journey", told, figures, STAGE_MEASURES, "stages")


def milestone(figures: Figures) -> str:
    """What comes next: leaves, views on, carts or buys."""
    told = "<p>What the visitor does next of these: leave, view another product, put something into the cart, buy.</p>"
    return _classes("milestone", "Next milestone", told, figures, {"macro_f1": "macro-F1"}, "milestones")


def _classes(key: str, title: str, told: str, figures: Figures, measures: Mapping[str, str], names: str) -> str:
    if figures.get("macro_f1") is None:
        return section(key, title, told, f"<p>Not judged: {escape(str(figures.get('reason', 'no figure')))}.</p>")
    parts = [told, grid({"tact": figures, **figures.get("baselines", {})}, measures)]
    parts.append(_ahead(figures.get("ahead", {}), {"macro_f1": "macro-F1"}))
    if figures.get("classes"):
        parts.append(grid(figures["classes"], {"share": "share of moments", "f1": "F1"}))
    if figures.get("confusion"):
        wanted = figures.get(names) or [str(i) for i in range(len(figures["confusion"]))]
        parts.append("<h3>Where each true one went, in %</h3>" + confusion(figures["confusion"], wanted))
    if figures.get("importance"):
        drawn = pictures.importance(figures["importance"], f"{key}: importance")
        parts.append(row([picture(drawn, "What the model looks at")]))
    return section(key, title, *parts)


WARNING_MEASURES: Final = {
    "lead_events": "events before the last",
    "warned": "warned before the last",
    "caught": "on at the last",
    "false_alarms": "false alarms",
}


def early_warning(figures: Figures) -> str:
    """How early leave and hesitation fire, beside a rule, at the same rate of false alarms."""
    told = (
        "<p>How many events before a session's last the signal goes on and stays on, at a fixed share of false alarms "
        "among the events before which nobody left, beside the rule most shops use: a pause.</p>"
    )
    return section("early-warning", "Early warning", told, *(_warning(name, one) for name, one in figures.items()))


def _warning(name: str, one: Figures) -> str:
    title = f"<h3>{escape(name.replace('_', ' ').capitalize())}</h3>"
    models = {"tact": one, **one.get("baselines", {})}
    if one.get("at_pause_60s"):
        models["tact_60s"] = one["at_pause_60s"]
    if one.get("lead_events") is None:
        return f"{title}<p>Not judged: {escape(str(one.get('reason', 'no figure')))}.</p>"
    rate = f" False alarms: at most {100 * one['rate']:.0f} % of those events." if one.get("rate") else ""
    most = f" At most {one['lead_possible']:.1f} events ahead are possible." if one.get("lead_possible") else ""
    facts = f'<p class="quiet">{one.get("n", 0):,} sessions that end so.{rate}{most}</p>'
    return title + facts + grid(models, WARNING_MEASURES, kind="dense")


def keys_of(figures: Any) -> list[str]:
    """The names in a part of the figures, none where it is missing."""
    return list(figures) if isinstance(figures, Mapping) else []
