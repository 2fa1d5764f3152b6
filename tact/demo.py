"""What the demo is made of: the example shop's keys, policy, catalog, simulated history, models. Each step does its
work only where an earlier start has not.

* NoExample    the example shop is not part of this install
* DemoRunning  another demo runs in this home
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from features import lakefile
from features.catalog import Product
from features.lake_catalog import write_catalog
from service import keys
from service.settings import Settings
from service.web.front import Front, StoreInfo, write_front
from tact.console_jobs import TESTS
from tact.first_start import NewKeys, own_origins
from training.simulate import DAY_MS, simulate

SHOP: Final = "demo"
NAME: Final = "Noordzee Outdoor"
HISTORY_DAYS: Final = 30
HISTORY_VISITORS: Final = 3000
SEED: Final = 1953
PART: Final = "simulated"
"""The lake's files of simulated history are called part-simulated.parquet."""

KEYS_FILE: Final = "demo-keys.json"
DEMO_FILE: Final = "demo.json"
LOCK_FILE: Final = "demo.lock"


class NoExample(FileNotFoundError):
    """There is no example shop to show."""


class DemoRunning(RuntimeError):
    """Another demo runs in this home."""


@dataclass(frozen=True, slots=True)
class Example:
    """The example shop's files."""

    folder: Path

    @classmethod
    def find(cls) -> "Example":
        """In the installed package, or in the checkout. Raises NoExample."""
        here = Path(__file__)
        places = (here.parent / "example_shop", here.parents[1] / "examples" / "shop")
        found = next((place for place in places if (place / "catalog.ndjson").is_file()), None)
        if found is None:
            raise NoExample(f"no example shop in {' or '.join(str(place) for place in places)}")
        return cls(found)

    @property
    def policy(self) -> Path:
        return self.folder / "policy.yaml"

    @property
    def catalog_lines(self) -> bytes:
        """As PUT /v1/catalog/items takes them."""
        return (self.folder / "catalog.ndjson").read_bytes()

    def products(self) -> list[Product]:
        """The catalog as training sees it."""
        return [_product(json.loads(line)) for line in self.catalog_lines.splitlines() if line]

    def stores(self) -> tuple[StoreInfo, ...]:
        """Where the shop's stores are."""
        text = (self.folder / "stores.ndjson").read_bytes()
        return tuple(msgspec.json.decode(line, type=StoreInfo) for line in text.splitlines() if line)


def _product(line: dict[str, Any]) -> Product:
    added = datetime.fromisoformat(line.pop("added")).replace(tzinfo=UTC)
    return Product(**line | {"tags": tuple(line["tags"]), "added_ms": int(added.timestamp() * 1000)})


@contextmanager
def sole_demo(settings: Settings) -> Iterator[None]:
    """The home's only demo while it lasts, also on a given server. Raises DemoRunning before anything is changed."""
    settings.home.mkdir(parents=True, exist_ok=True)
    lock = os.open(settings.home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoRunning(f"a demo runs in {settings.home} already") from None
        yield
    finally:
        os.close(lock)


def ensure_demo_keys(settings: Settings) -> NewKeys:
    """The demo shop's keys: those of the start before, each while it is in use, else a new one in its place.

    At another address the publishable key works from that one too.
    """
    path = settings.home / KEYS_FILE
    known, origins = keys.Keys.load(settings.keys_file), own_origins(settings)
    kept = msgspec.json.decode(path.read_bytes(), type=NewKeys) if path.is_file() else NewKeys(SHOP, "", "")
    public, secret = (
        access if (access := known.check(token)) and access.shop == SHOP else None
        for token in (kept.publishable, kept.secret)
    )
    made = NewKeys(
        SHOP,
        kept.publishable if public else keys.create(settings.keys_file, SHOP, "publishable", origins),
        kept.secret if secret else keys.create(settings.keys_file, SHOP, "secret"),
    )
    if public and keys.ANY_ORIGIN not in public.origins and not set(origins) <= set(public.origins):
        keys.allow(settings.keys_file, kept.publishable, origins)
    if made != kept:
        write_private(path, msgspec.json.encode(made))
    return made


def ensure_demo_policy(settings: Settings, source: Path) -> bool:
    """Put the example policy in its place; one that was edited there stays. Whether it was written.

    What was last copied is kept beside it, to tell an edited policy from an old one.
    """
    target = settings.policies / f"{SHOP}.yaml"
    copied = settings.home / "demo-policy.yaml"
    text = source.read_bytes()
    edited = target.is_file() and (not copied.is_file() or target.read_bytes() != copied.read_bytes())
    if edited or (target.is_file() and target.read_bytes() == text):
        return False
    settings.policies.mkdir(parents=True, exist_ok=True)
    for path in (copied, target):
        new = path.with_name(f".{path.name}.new")  # no suffix that the service takes for a policy
        new.write_bytes(text)
        new.replace(path)
    return True


def ensure_demo_tests(settings: Settings, example: Example) -> None:
    """The example's persona tests, for the console's policy editor, unless it has some."""
    path = settings.home / TESTS / f"{SHOP}.yaml"
    source = example.policy.with_name("policy_tests.yaml")
    if path.exists() or not source.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")


def seeded(settings: Settings) -> bool:
    """Whether the lake has events of the demo shop."""
    return SHOP in lakefile.shops(settings.lake)


def seed_lake(settings: Settings, products: list[Product], now_ms: int, visitors: int = HISTORY_VISITORS) -> int:
    """Write a month of simulated history that ends with yesterday. Returns the rows written."""
    start_ms = (now_ms // DAY_MS - HISTORY_DAYS) * DAY_MS
    rows = simulate(products, visitors, SEED, start_ms, HISTORY_DAYS, SHOP)
    lakefile.write_events(settings.lake, rows, PART)
    write_catalog(settings.lake, SHOP, products)
    return len(rows)


def ensure_front(settings: Settings, example: Example, publishable_key: str) -> None:
    """Tell the service which shop its pages show."""
    write_front(settings.home, Front(SHOP, NAME, publishable_key, example.stores()))


def write_demo_file(settings: Settings, url: str, redis_url: str, made: NewKeys) -> Path:
    """artifacts/demo.json: where everything is, for scripts. Only this user can read it."""
    about = {
        "url": url,
        "publishable_key": made.publishable,
        "secret_key": made.secret,
        "redis_url": redis_url,
        "lake": str(settings.lake.resolve()),
        "shop": SHOP,
    }
    return write_private(settings.home / DEMO_FILE, msgspec.json.format(msgspec.json.encode(about), indent=2))


def forget_demo_file(settings: Settings) -> None:
    """Take the file of an earlier start away: its presence says that the demo answers."""
    (settings.home / DEMO_FILE).unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> Path:
    """Write a file that only this user can read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return new.replace(path)


def now_ms() -> int:
    """The time of this machine, Unix milliseconds."""
    return time.time_ns() // 1_000_000
