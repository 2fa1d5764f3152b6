"""The evaluation as one page a person can read: no scripts, no other files, pictures inside."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, Final

from training.card_view import Section, sections
from training.check_data import Report
from training.check_finding import OK, percent
from training.evaluate import Evaluation
from training.figures import counted
from training.report_moments import class_headline, early_warning, intent, intent_headline, keys_of, milestone, stage
from training.report_page import Figures, contents, page, section, table
from training.report_recommend import REGIMES, headline, plain, recommend

_TOLD: Final = frozenset(
    {"shop", "test_shop", "seed", "bundle", "max_prefix", "train", "test", "lacks", "test_lacks"}
    | {"intent", "stage", "milestone", "early_warning", "recommend"}
)
_TITLES: Final = {"cold_start": "Cold start: other shops' models on this one", "drift": "Drift"}


def render(
    evaluation: Evaluation, title: str, manifest: Mapping[str, Any] | None = None, checks: Report | None = None
) -> str:
    """The whole page as HTML. Parts whose figures are missing are left out.

    manifest: of the bundle evaluated, for the model card. checks: of the log it learned from.
    """
    figures = evaluation.figures
    parts: dict[str, tuple[str, Callable[[], str]]] = {}
    for name in keys_of(figures.get("intent")):
        parts[f"intent-{name}"] = (f"Intent: {name}", _intent_part(evaluation, name))
    if "stage" in figures:
        parts["stage"] = ("Stage", lambda: stage(figures["stage"]))
    if "milestone" in figures:
        parts["milestone"] = ("Next milestone", lambda: milestone(figures["milestone"]))
    if "early_warning" in figures:
        parts["early-warning"] = ("Early warning", lambda: early_warning(figures["early_warning"]))
    for regime in keys_of(figures.get("recommend")):
        if regime in REGIMES:
            parts[f"recommend-{regime}"] = (REGIMES[regime][0], _recommend_part(figures, regime))
    for key in (key for key in figures if key not in _TOLD):
        parts[key] = (_TITLES.get(key, key.replace("_", " ").capitalize()), _plain_part(figures, key))
    if checks is not None:
        parts["data-checks"] = ("Data checks", lambda: _checks(checks))
    if manifest is not None:
        parts["card"] = ("Model card", lambda: _card(manifest, str(figures.get("bundle", ""))))
    parts["lacks"] = ("What the data lack", lambda: _lacks(figures))
    parts["how"] = ("How to read this", lambda: _how(figures))
    links = contents({name: words for name, (words, _) in parts.items()})
    top = [f"<h1>{escape(title)}</h1>", _windows(figures), _headlines(figures), links]
    return page(title, [*top, *(make() for _, make in parts.values())])


def _intent_part(evaluation: Evaluation, name: str) -> Callable[[], str]:
    return lambda: intent(name, evaluation.figures["intent"][name], evaluation.scored.get(name))


def _recommend_part(figures: Figures, regime: str) -> Callable[[], str]:
    return lambda: recommend(regime, figures["recommend"][regime])


def _plain_part(figures: Figures, key: str) -> Callable[[], str]:
    return lambda: plain(key, _TITLES.get(key, key.replace("_", " ").capitalize()), figures[key])


def _windows(figures: Figures) -> str:
    """What was trained and tested on, as far as it is told: recommendations alone have no rows."""

    def words(one: Figures) -> str:
        rows = f" ({counted(one['rows'], 'moment')})" if one.get("rows") is not None else ""
        sessions = f"{counted(one['sessions'], 'session')}{rows} that began " if one.get("sessions") is not None else ""
        return f"{sessions}{_day(one['since'])} to {_day(one['until'])}"

    parts = [f"{verb} {words(figures[key])}" for key, verb in _WINDOWS.items() if key in figures]
    bundle = f" Bundle {escape(str(figures['bundle']))}." if figures.get("bundle") else ""
    return f'<p class="quiet">{"; ".join(parts)} (UTC).{bundle}</p>' if parts else ""


_WINDOWS: Final = {"train": "Trained on", "test": "tested on"}


def _day(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _headlines(figures: Figures) -> str:
    said = [intent_headline(name, figures["intent"][name]) for name in keys_of(figures.get("intent"))]
    said.append(class_headline("Stage of the journey", figures.get("stage", {})))
    said.append(class_headline("Next milestone", figures.get("milestone", {})))
    recommended = figures.get("recommend", {})
    said += [headline(regime, recommended[regime]) for regime in REGIMES if regime in recommended]
    return f'<ul class="lead">{"".join(said)}</ul>' if any(said) else ""


def _checks(checks: Report) -> str:
    """Every check in a row, then what to do about those that found something."""
    shade = {OK: "good", "warning": "warn", "error": "bad"}
    rows = [
        (
            escape(one.name),
            f'<span class="{shade[one.level]}">{one.level}</span>',
            f"{one.rows:,}",
            percent(one.share) if one.of else "",
            escape(one.message) + (f'<br><span class="quiet">{escape(one.advice)}</span>' if one.advice else ""),
        )
        for one in checks.findings
    ]
    found = escape(checks.summary.removeprefix("data checks: "))
    told = f"<p>The log of shop {escape(checks.shop)} before training, {checks.events:,} events: {found}.</p>"
    return section("data-checks", "Data checks", told, table(("check", "", "rows", "share", "found"), rows, "words"))


def _card(manifest: Mapping[str, Any], identifier: str) -> str:
    return section("card", "Model card", *(_card_part(one) for one in sections(manifest, identifier)))


def _card_part(one: Section) -> str:
    rows = [tuple(escape(cell) for cell in line) for line in one.rows]
    grid = table(tuple(escape(cell) for cell in one.head), rows, "words") if rows else ""
    words = "".join(f"<li>{escape(sentence)}</li>" for sentence in one.words)
    return f"<h3>{escape(one.title)}</h3>{grid}" + (f"<ul>{words}</ul>" if words else "")


def _lacks(figures: Figures) -> str:
    def words(names: Sequence[str]) -> str:
        return escape(", ".join(names)) if names else "nothing this engine asks for"

    told = [
        f"The {word} window lacks: {words(figures[key])}."
        for key, word in (("lacks", "training"), ("test_lacks", "test"))
        if key in figures
    ]
    more = "Features about what is lacking are unknown, and a model trained on this log cannot use them."
    return section("lacks", "What the data lack", f"<p>{' '.join(told)} {more}</p>")


def _how(figures: Figures) -> str:
    most = figures.get("max_prefix")
    limit = f"; at most {most} events of a session" if most else ""
    words = (
        f"Every moment is an event of a session, its vector exactly as the service would have made it then{limit}. "
        "Sessions belong to the window they begin in; nothing is shuffled. Item statistics are as of each moment, "
        "never from the future. Intervals are 95 %, from 200 resamples of whole test sessions, the same for every "
        "model, so differences are paired: green where the interval lies wholly above 0, red where wholly below. "
        "Calibration error is over 15 bins of equally many moments (fewer where there are few). "
        "More in docs/evaluation.md."
    )
    return section("how", "How to read this", f'<p class="quiet">{words}</p>')
