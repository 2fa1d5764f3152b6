"""The answer to a decision request: the HTTP body, the same bytes for the same decision."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from models.chosen import Chosen, Decision
from models.inputs import Inputs, Suggestion
from models.intent import INTENTS
from models.item_reason import reason_text, titles_of
from models.moment import locale_of
from models.policy_terms import Action, Content
from models.stage import STAGES

_encode = msgspec.json.Encoder().encode


def answer(decision: Decision) -> bytes:
    """The body as JSON, UTF-8."""
    inputs, scores = decision.inputs, decision.scores
    stage = intent = None
    if scores is not None:
        stage = _Stage(decision.stage, _Stages(*rounded(scores.stage)))
        intent = _Intents(*rounded(scores.intent))
    locale = locale_of(decision.policy, inputs.context.locale)
    placements = {chosen.placement: _filled(decision, chosen, locale) for chosen in decision.placed}
    because = decision.degraded_because
    body = _Body(
        inputs.decision_id,
        stage,
        intent,
        placements,
        bool(because),
        because or None,
        decision.bundle_id or None,
        decision.policy.version,
    )
    return _encode(body)


_Stages: Final[Any] = msgspec.defstruct("_Stages", [(name, float) for name in STAGES], frozen=True, gc=False)
_Intents: Final[Any] = msgspec.defstruct("_Intents", [(name, float) for name in INTENTS], frozen=True, gc=False)


class _Stage(msgspec.Struct, frozen=True, gc=False):
    name: str
    probabilities: Any


class _Body(msgspec.Struct, frozen=True, gc=False):
    """The answer's fields, in the order they are sent."""

    decision_id: str
    stage: _Stage | None
    intent: Any
    placements: dict[str, Any]
    degraded: bool
    degraded_because: str | None
    bundle: str | None
    policy: str


class _Message(msgspec.Struct, frozen=True, gc=False):
    """A placement that shows words alone."""

    action: str
    kind: str
    content: msgspec.Raw
    show_after_s: float
    expires_at: str
    reason: str


def rounded(numbers: npt.NDArray[np.float64]) -> list[float]:
    """Each number as round(number, 6) has it. shape (n,)."""
    out = np.empty(numbers.size)
    if not _round(numbers, out):
        return [round(number, 6) for number in numbers.tolist()]
    told: list[float] = out.tolist()
    return told


@numba.njit(cache=True, nogil=True)
def _round(numbers, out):  # type: ignore[no-untyped-def]
    """Rounds to six digits; False where a number is too near the middle of two to say so by a product, or unknown."""
    for i in range(numbers.size):
        millionths = numbers[i] * 1e6
        whole = np.rint(millionths)
        if not (abs(millionths) < 1e9 and abs(millionths - whole) < 0.4999):
            return False
        out[i] = whole / 1e6
    return True


def _filled(decision: Decision, chosen: Chosen, locale: str) -> Any:
    """One placement of the answer."""
    action = decision.policy.action(chosen.action) if chosen.action is not None else None
    if action is None:
        return {"action": None, "reason": chosen.reason}
    content = action.content[locale]
    words = _words(content)
    after_s = action.show_after_s if chosen.show_after_s is None else chosen.show_after_s
    expires, reason = _iso(decision.inputs.now_ms + action.ttl_s * 1000), action.reason.get(locale, "")
    if not action.recommend and action.kind != "availability":
        return _Message(action.id, action.kind, words, after_s, expires, reason)
    products = _products(action, content, locale, chosen, decision.inputs)
    last = {"show_after_s": after_s, "expires_at": expires, "reason": reason}
    return {"action": action.id, "kind": action.kind, "content": words, **products, **last}


@lru_cache(maxsize=4096)
def _words(content: Content) -> msgspec.Raw:
    """The words of a content as JSON, encoded once."""
    return msgspec.Raw(_encode({name: text for name, text in content.fields().items() if name != "because"}))


def _products(action: Action, content: Content, locale: str, chosen: Chosen, inputs: Inputs) -> dict[str, Any]:
    """The products a recommend action shows, or the stores that have the page's product."""
    if action.recommend:
        because = dict(content.more).get("because", "")
        titles = titles_of({suggestion.because for suggestion in chosen.products} - {""}, inputs)
        return {"items": [_item(suggestion, because, locale, titles) for suggestion in chosen.products]}
    if action.kind == "availability" and inputs.product is not None:
        stores = sorted(inputs.product.stores.items())
        return {"stores": [{"store": store, "stock": units} for store, units in stores if units > 0]}
    return {}


class _Item(msgspec.Struct, gc=False):
    """A product in a row, as the page gets it."""

    item_id: str
    title: str
    url: str
    image: str
    price: float | None
    reason: str
    reason_code: str
    because: str | None


def _item(suggestion: Suggestion, because: str, locale: str, titles: Mapping[str, str]) -> _Item:
    product, source, led = suggestion.product, suggestion.source, suggestion.because
    reason = reason_text(source, titles.get(led, ""), locale, because)
    return _Item(product.item_id, product.title, product.url, product.image, product.price, reason, source, led or None)


def _iso(ts_ms: int) -> str:
    """Unix ms as ISO 8601 with milliseconds, UTC."""
    return f"{_second(ts_ms // 1000)}.{ts_ms % 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(ts_s: int) -> str:
    return f"{datetime.fromtimestamp(ts_s, UTC):%Y-%m-%dT%H:%M:%S}"
