"""The answer to a decision request: the HTTP body, the same bytes for the same decision."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

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
        stage = {"name": decision.stage, "probabilities": _rounded(STAGES, scores.stage)}
        intent = _rounded(INTENTS, scores.intent)
    locale = locale_of(decision.policy, inputs.context.locale)
    body = {
        "decision_id": inputs.decision_id,
        "stage": stage,
        "intent": intent,
        "placements": {chosen.placement: _filled(decision, chosen, locale) for chosen in decision.placed},
        "degraded": decision.degraded,
        "degraded_because": decision.degraded_because or None,
        "bundle": decision.bundle_id or None,
        "policy": decision.policy.version,
    }
    return _encode(body)


def _rounded(names: tuple[str, ...], numbers: Any) -> dict[str, float]:
    return dict(zip(names, [round(number, 6) for number in numbers.tolist()], strict=True))


def _filled(decision: Decision, chosen: Chosen, locale: str) -> dict[str, Any]:
    """One placement of the answer."""
    action = decision.policy.action(chosen.action) if chosen.action is not None else None
    if action is None:
        return {"action": None, "reason": chosen.reason}
    content = action.content[locale]
    filled: dict[str, Any] = {"action": action.id, "kind": action.kind, "content": _words(content)}
    if action.recommend or action.kind == "availability":
        filled.update(_products(action, content, locale, chosen, decision.inputs))
    filled["show_after_s"] = action.show_after_s if chosen.show_after_s is None else chosen.show_after_s
    filled["expires_at"] = _iso(decision.inputs.now_ms + action.ttl_s * 1000)
    filled["reason"] = action.reason.get(locale, "")
    return filled


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
