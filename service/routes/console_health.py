"""The console's call about health: figures of now, samples of the last hour, alerts."""

import asyncio
from typing import Any, Final

from starlette.requests import Request

from service.console_access import Session
from service.console_calls import Calls
from service.console_health import alerts, store_facts
from service.figures import summed
from service.lake_desk import DeskAway, ask_desk

BLIND: Final = {
    "level": "warn",
    "title": "The part `console` does not answer: the last minutes are not known",
    "action": "`tact serve` runs it, or `tact console`",
}


def add(calls: Calls) -> None:
    """Adds the calls."""
    service = calls.service

    async def health(session: Session, request: Request) -> Any:
        now = await asyncio.to_thread(lambda: summed(service.metrics.page().decode()))
        sample = {"at_ms": service.now_ms(), **now}
        try:
            told = (await ask_desk(service.settings.home, {"ask": "samples"}))["answer"]
        except DeskAway:
            told = None
        recent = [*(told["recent"] if told else []), sample]
        facts = await store_facts(service.store)
        shop = service.watcher.readiness().get(session.shop, {})
        missing = [] if service.compiled else ["the code is not compiled yet"]
        missing += [f"no {what}" for what in ("bundle", "policy") if shop.get(what) is None]
        age_s = now["by"]["tact_live_age_seconds"].get(session.shop)
        return {
            "now_ms": sample["at_ms"],
            "now": now,
            "series": told["series"] if told else None,
            "before": recent[0],
            "part": told is not None,
            "store": facts,
            "shop": shop,
            "refused": service.watcher.refused(),
            "live_age_s": age_s,
            "workers": service.settings.workers,
            "deadline_ms": service.settings.deadline_ms,
            "alerts": [*alerts(recent, facts, missing, age_s), *([] if told else [BLIND])],
        }

    calls.get("health", health)
