"""The Qini curves of an experiment as one page a person can read."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np

from training.pictures import qini_curves
from training.qini import Floats, Held, Outcomes, Ranked
from training.report_page import page, picture, section, table
from training.uplift import RESPONSE, UPLIFT_S, UPLIFT_X, Choice

NAMES: Final[Mapping[str, str]] = {UPLIFT_S: "S-learner", UPLIFT_X: "X-learner", RESPONSE: "response model"}
HEAD: Final = ("", "Qini, mean ± sd", "95 %", "above the response model")
_STEPS: Final = 101


def mean_curves(held: Sequence[Held], outcomes: Outcomes) -> tuple[Floats, dict[str, Floats]]:
    """Share of rows in per cent, (k,), and what each score gains per 100 rows down to it: the held parts' mean."""
    share = np.linspace(0.0, 1.0, _STEPS)
    return 100 * share, {
        NAMES[name]: np.mean([_gain(one, name, outcomes, share) for one in held], axis=0) for name in held[0].scores
    }


def _gain(held: Held, name: str, outcomes: Outcomes, share: Floats) -> Floats:
    curve = Ranked.of(held.scores[name], outcomes.at(held.rows)).curve()
    return np.asarray(np.interp(share, curve.rows / curve.rows[-1], 100 * curve.gain / curve.rows[-1]))


def cells(figures: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A message's rows under HEAD, from training.fit_uplift.card."""
    for name, one in figures["qini"].items():
        spread = "" if one["sd"] is None else f" ± {one['sd']:.4f}"
        shown = "–" if one["mean"] is None else f"{one['mean']:.4f}{spread}"
        yield NAMES[name], shown, _span(one["ci"]), _span(one.get("above_response_ci", [None]), sign=True)


def _span(limits: Sequence[float | None], sign: bool = False) -> str:
    if None in limits:
        return ""
    return "[" + ", ".join(f"{limit:+.4f}" if sign else f"{limit:.4f}" for limit in limits) + "]"


def render(title: str, words: Sequence[str], choices: Mapping[str, tuple[Choice, Outcomes, dict[str, Any]]]) -> str:
    """The page. choices: by message, with the outcomes that were compared and the card."""
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(one)}</p>" for one in words)]
    for number, (message, (choice, outcomes, figures)) in enumerate(choices.items()):
        parts.append(section(f"m{number}", message, *_message(message, choice, outcomes, figures)))
    return page(title, parts)


def _message(message: str, choice: Choice, outcomes: Outcomes, figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"<p><b>{escape(choice.choice)}</b>: {escape(choice.why)}.</p>"
    if choice.held:
        yield table(HEAD, ([escape(cell) for cell in line] for line in cells(figures)))
        share, curves = mean_curves(choice.held, outcomes)
        drawn = qini_curves(share, curves, "gained per 100 rows", f"Qini curves of {message}")
        yield picture(drawn, "Held-out halves, mean: rows sorted by each model's score, gain over no message.")
