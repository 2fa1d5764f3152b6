"""The evaluation as one page a person can read: no scripts, no other files, pictures inside."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from models.intent import INTENTS
from training import pictures
from training.evaluate import Evaluation
from training.pictures import NAMES

Figures = Mapping[str, Any]

MEANING: Final[Mapping[str, str]] = {
    "buy": "a purchase later in this session",
    "leave": "the session ends within the next event and two minutes",
    "help": "the next event opens a chat or is an error",
}
_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;color:#1d2a26;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin-top:2.6rem;border-top:2px solid #0b6e4f;padding-top:.6rem}
table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.25rem .8rem;border-bottom:1px solid #dde5e1;text-align:right}
th:first-child,td:first-child{text-align:left}tr.ours{font-weight:600;background:#eef6f2}
.quiet{color:#5c6b65;font-size:.9rem}.lead{font-size:1.1rem}
.row{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
img{max-width:100%;height:auto}figure{margin:0;flex:0 1 auto;max-width:29rem}
figure:has(img.wide){max-width:58rem}figcaption{font-size:.85rem;color:#5c6b65}
"""


def render(evaluation: Evaluation, title: str) -> str:
    """The whole page as HTML."""
    figures = evaluation.figures
    parts = [
        f"<h1>{escape(title)}</h1>",
        _windows(figures),
        _headlines(figures),
        *(_intent(name, figures["intent"][name], evaluation) for name in INTENTS),
        _stage(figures["stage"]),
        _recommend(figures["recommend"]["frozen"]),
        _lacks(figures),
        _how(figures),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n'
    )


def _windows(figures: Figures) -> str:
    train, test = figures["train"], figures["test"]
    return (
        f'<p class="quiet">Trained on {train["sessions"]:,} sessions ({train["rows"]:,} moments) that began '
        f"{_day(train['since'])} to {_day(train['until'])}; tested on {test['sessions']:,} later sessions "
        f"({test['rows']:,} moments) that began {_day(test['since'])} to {_day(test['until'])} (UTC). "
        f"Bundle {figures['bundle']}.</p>"
    )


def _day(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _headlines(figures: Figures) -> str:
    sentences = [_headline(name, figures["intent"][name]) for name in INTENTS]
    stage = figures["stage"]
    if stage["macro_f1"] is not None:
        best = _best_key(stage, "macro_f1")
        limits = stage["ahead"][best]["macro_f1_ci"]
        sentences.append(
            f"<b>Stage</b> (six, in hindsight): macro-F1 {stage['macro_f1']:.3f}; {_verdict(limits)} {NAMES[best]} "
            f"({stage['baselines'][best]['macro_f1']:.3f}); the static map most tools use: "
            f"{stage['baselines']['static_map']['macro_f1']:.3f}."
        )
    return '<ul class="lead">' + "".join(f"<li>{sentence}</li>" for sentence in sentences) + "</ul>"


def _best_key(figures: Figures, measure: str) -> str:
    """The baseline with the highest figure."""
    baselines: Figures = figures["baselines"]
    return max(baselines, key=lambda name: baselines[name].get(measure) or 0.0)


def _headline(name: str, figures: Figures) -> str:
    what = f"<b>{name.capitalize()}</b> ({MEANING[name]})"
    if figures["auc"] is None:
        why = figures.get("note") or figures["reason"]
        return f"{what}: cannot be judged on this log ({escape(why)})."
    key = _best_key(figures, "average_precision")
    ahead = figures["ahead"][key]
    limits = ahead["average_precision_ci"]
    lift = figures["average_precision"] / figures["base_rate"]
    if ahead["average_precision"] is None:
        return f"{what}: average precision {figures['average_precision']:.3f}; no baseline could be fitted."
    return (
        f"{what}: average precision {figures['average_precision']:.3f}, {lift:.1f} times the base rate of "
        f"{figures['base_rate']:.3f}; {_verdict(limits)} {NAMES[key]} "
        f"(difference {ahead['average_precision']:+.3f} {_span(limits)}). "
        f"When it names a probability it is off by {100 * figures['ece']:.1f} points on average."
    )


def _verdict(limits: Sequence[float] | None) -> str:
    """What an interval of a difference lets one say."""
    if limits is not None and limits[0] > 0:
        return "ahead of"
    if limits is not None and limits[1] < 0:
        return "behind"
    return "not told apart from"


def _span(limits: Sequence[float] | None) -> str:
    return "" if limits is None else f"[{limits[0]:.3f}, {limits[1]:.3f}]"


def _picture(address: str, caption: str, shape: str = "one") -> str:
    words = escape(caption)
    return f'<figure><img class="{shape}" src="{address}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def _grid(models: Mapping[str, Figures], measures: Sequence[str], names: Mapping[str, str] = NAMES) -> str:
    """A row per model, each figure with its interval; ours stands out."""
    head = "".join(f"<th>{measure.replace('_', ' ')}</th>" for measure in measures)
    body = "".join(
        f'<tr class="{"ours" if name == "tact" else "base"}"><td>{names.get(name, name)}</td>'
        + "".join(f"<td>{_cell(one, measure)}</td>" for measure in measures)
        + "</tr>"
        for name, one in models.items()
    )
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _beside_baselines(figures: Figures, measures: Sequence[str]) -> str:
    return _grid({"tact": figures, **figures["baselines"]}, measures)


def _cell(one: Figures, measure: str) -> str:
    value = one.get(measure)
    if value is None:
        return f'<span class="quiet">{escape(str(one.get("reason", "–")))}</span>'
    limits = one.get(f"{measure}_ci")
    return f'{value:.4f} <span class="quiet">{_span(limits)}</span>'


def _intent(name: str, figures: Figures, evaluation: Evaluation) -> str:
    title = f"<h2>Intent: {name}</h2><p>{MEANING[name].capitalize()}. "
    if figures["auc"] is None:
        why = figures.get("note") or figures["reason"]
        return f"{title}Not judged: {escape(why)}.</p>"
    scored = evaluation.scored[name]
    facts = f"{figures['n']:,} moments, {figures['positives']:,} of them yes; {_calibrated(figures)}.</p>"
    images = [
        _picture(pictures.ranking(scored.label, scored.by), "Ranking: ROC left, precision and recall right", "wide"),
        _picture(
            pictures.calibration(figures["calibration"]), "Calibration: on the line, what it says is how often it is so"
        ),
        _picture(pictures.by_prefix(figures["by_prefix"], "auc", "AUC"), "AUC by steps into the session"),
        _picture(
            pictures.by_prefix(figures["by_prefix"], "average_precision", "average precision"),
            "Average precision by steps into the session",
        ),
    ]
    if figures["importance"]:
        images.append(_picture(pictures.importance(figures["importance"]), "What the model looks at"))
    table = _beside_baselines(figures, ("auc", "average_precision", "ece"))
    return f'{title}{facts}{table}<div class="row">{"".join(images)}</div>'


def _calibrated(figures: Figures) -> str:
    by = figures["calibrated_by"]
    return "not calibrated: no curve was better" if by == "identity" else f"calibrated by {by}"


def _stage(figures: Figures) -> str:
    if figures["macro_f1"] is None:
        return f"<h2>Stage</h2><p>Not judged: {escape(figures['reason'])}.</p>"
    images = [_picture(pictures.confusion(figures["confusion"], figures["stages"]), "Where each true stage went")]
    if figures["importance"]:
        images.append(_picture(pictures.importance(figures["importance"]), "What the model looks at"))
    return (
        "<h2>Stage of the journey</h2>"
        "<p>Labels are made in hindsight from what the visitor then did (docs/labels.md).</p>"
        f"{_beside_baselines(figures, ('macro_f1', 'log_loss'))}{_grid(figures['classes'], ('share', 'f1'))}"
        f'<div class="row">{"".join(images)}</div>'
    )


def _recommend(figures: Figures) -> str:
    recommenders = {name: one for name, one in figures.items() if isinstance(one, dict)}
    title = "<h2>Recommendations</h2>"
    if figures["tact"]["hr20"] is None:
        return f"{title}<p>Not judged: {escape(figures['tact']['reason'])}.</p>"
    measures = ("hr5", "mrr5", "hr20", "mrr20", "hr20_seen", "mrr20_seen")
    return (
        f"{title}<p>The next product viewed, among the first 5 or 20 of the whole catalogue, {figures['n']:,} targets, "
        f"index frozen at the end of training. {100 * (1 - figures['seen_share']):.0f} % of the targets were never "
        "seen in training and count as misses; “seen” leaves them out.</p>"
        + _grid(recommenders, measures)
        + _picture(pictures.bars(recommenders, "hr20", "hit rate at 20"), "Hit rate at 20 with 95 % intervals")
    )


def _lacks(figures: Figures) -> str:
    def words(names: Sequence[str]) -> str:
        return escape(", ".join(names)) if names else "nothing this engine asks for"

    return (
        "<h2>What the data lack</h2>"
        f"<p>The training window has no {words(figures['lacks'])}. "
        f"The test window has no {words(figures['test_lacks'])}. "
        "Features about what is lacking are unknown, and a model trained on this log cannot use them.</p>"
    )


def _how(figures: Figures) -> str:
    return (
        '<h2>How to read this</h2><p class="quiet">Every moment is one event of a session, its vector exactly as the '
        f"service would have computed it then; at most {figures['max_prefix']} events of a session. Sessions belong to "
        "the window they begin in; nothing is shuffled. Item statistics are as of each moment, never from the future. "
        "Intervals are 95 %, from 200 resamples of whole test sessions, the same for every model. Calibration error is "
        "over 15 bins of equally many moments (fewer where there are few). More in docs/evaluation.md.</p>"
    )
