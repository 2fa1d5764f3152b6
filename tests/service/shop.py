"""A shop to test the service with: policy, constant bundle, keys, and a running service on a real socket."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import uvicorn

from models import bundle
from models.bundle import MODELS, Parts
from models.calibration import Calibration
from models.intent import INTENTS
from models.registry import Registry
from models.stage import STAGES
from service import keys
from service.app import create_app
from service.core import Clock, Service, clock_ms
from service.one_write import OneWrite
from service.settings import Settings
from tests.models.bundles import item_index
from tests.support import PATIENCE_S

SHOP = "acme"
ORIGIN = "https://shop.example"
PATIENT = {"deadline_ms": 10_000, "store_timeout_ms": 10_000}
"""A busy machine must not degrade answers; where limits are the fact, a test gives its own."""
POLICY = """
shop: acme
locales: [en]
consent: {assumed: [analytics, personalization]}
custom_events: [size_guide]
holdout: 0
arms: {random: 0, propensity_only: 0, no_levers: 0, rules_only: 0}
exploration_floor: 0  # what is answered here must not depend on a decision's id
placements:
  - {id: product.badge, kinds: [badge]}
  - {id: product.recs, kinds: [recommend]}
  - {id: global.chat, kinds: [chat]}
actions:
  - id: returns
    kind: badge
    placements: [product.badge]
    value: 100
    cost: 0
    prior: {mean: 0.5, strength: 1000}
    fallback: true
    content: {en: {title: 30 days to return}}
  - id: similar
    kind: recommend
    placements: [product.recs]
    value: 100
    cost: 0
    prior: {mean: 0.5, strength: 1000}
    content: {en: {title: You may like}}
  - id: may_we_help
    kind: chat
    placements: [global.chat]
    value: 1000
    cost: 0.01
    prior: {mean: 0.5, strength: 1000}
    caps: {per_day: 100}
    content: {en: {title: May we help?}}
    when: session.views >= 2.0
"""


def constant_parts(stage: str = "evaluation", **about: object) -> Parts:
    """Parts of a bundle that says the same of everybody."""
    stages = np.full(len(STAGES), 0.1)
    stages[STAGES.index(stage)] = 0.5
    rates = {"stage": stages} | {f"intent_{name}": np.array([0.3]) for name in INTENTS}
    return Parts(
        models={name: rates[name] for name in MODELS},
        calibrations={name: Calibration.identity(len(STAGES) if name == "stage" else 1) for name in MODELS},
        items=item_index(),
        about={"seed": 7, **about},
    )


@dataclass(frozen=True)
class Shop:
    """A shop on disk, with its keys."""

    settings: Settings
    publishable: str
    secret: str

    @property
    def policy_file(self) -> Path:
        return self.settings.policies / f"{SHOP}.yaml"

    def publish(self, parts: Parts) -> str:
        """Make a bundle live."""
        folder = self.settings.home / "made"
        bundle.write(folder, parts)
        return Registry(self.settings.registry).publish(folder, SHOP, "test", "", 0)


def make_shop(home: Path, redis_url: str, publish: bool = True, policy: str = POLICY, **settings: Any) -> Shop:
    """A shop with a policy (unless "") and a bundle (unless not `publish`)."""
    made = Settings(home=home, redis_url=redis_url, **PATIENT | settings)
    made.policies.mkdir(parents=True)
    publishable = keys.create(made.keys_file, SHOP, "publishable", (ORIGIN,))
    shop = Shop(made, publishable, keys.create(made.keys_file, SHOP, "secret"))
    if policy:
        shop.policy_file.write_text(policy)
    if publish:
        shop.publish(constant_parts())
    return shop


@dataclass(frozen=True)
class Running:
    """A service that answers, and clients for it. call: with the publishable key; secret: with the secret one."""

    shop: Shop
    url: str
    service: Service
    call: httpx2.Client
    secret: httpx2.Client
    anyone: httpx2.Client

    def wait(self, holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Until something holds; fails if it does not."""
        give_up = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < give_up, "it never held"
            time.sleep(0.05)

    def decide(self, **body: Any) -> dict[str, Any]:
        """The answer to a decision request; fails unless it is 200."""
        given = {"visitor_id": "v1", "placements": ["product.badge"], **body}
        answer = self.call.post("/v1/decisions", json=given)
        assert answer.status_code == 200, answer.text
        decided: dict[str, Any] = answer.json()
        return decided


@contextmanager
def running(shop: Shop, now_ms: Clock = clock_ms) -> Iterator[Running]:
    """The service of a shop on a free port of this machine."""
    app = create_app(shop.settings, now_ms)
    config = uvicorn.Config(
        app, "127.0.0.1", 0, loop="uvloop", http=OneWrite, log_level="warning", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the service ended at its start"
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        with (
            _client(url, shop.publishable) as call,
            _client(url, shop.secret) as secret,
            httpx2.Client(base_url=url, timeout=PATIENCE_S) as anyone,
        ):
            yield Running(shop, url, app.state.service, call, secret, anyone)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the service did not stop"


def _client(url: str, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE_S)
