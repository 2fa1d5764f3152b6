"""What requests are served with: bundle, policy, draws, catalog and the learner's snapshot of each shop; and the keys.

Every second the marks of their sources are read (a pointer, a file's time and size, a counter). What changed is built
and checked off the event loop, then goes live by one assignment: a request that took the old one keeps it. What is
refused is logged with its reason, counted, and shown on /readyz, while the old one stays live. A source that is gone is
refused too. A shop is withdrawn by revoking its keys: without keys and without a policy file it is forgotten.
"""

import asyncio
import time
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from features.catalog import EMPTY_CATALOG, Catalog
from features.record import pack
from models import bundle as bundles
from models.arbitration import Draws, prior_draws
from models.bundle import Bundle
from models.inputs import Suggestion
from models.persona import Personas
from models.persona_files import live_file, read
from models.policy import empty_policy
from models.policy_terms import Policy
from models.recommend import Recommender, with_facts
from models.registry import Registry
from service import draws_store, policy_files, switchboard
from service.catalog_store import CatalogStore
from service.draws_store import ARCHIVE, Taught
from service.errors import StoreUnavailable
from service.keys import Keys
from service.live import LiveStats, load_live
from service.memory import Keeper
from service.metrics import Metrics
from service.needs import needs_of
from service.settings import Settings
from service.shop_live import Live, arrivals, index_of, leave_line_of, popular, recommender_of, stats_of
from service.switchboard import Switchboard, Switched
from service.watched import Watched, mark

PERIOD_S: Final = 1.0
REBUILD_SHARE: Final = 20
"""A catalog that takes a second to build is built at most every twenty: building must not eat what serving needs."""

LONGEST_PAUSE_S: Final = 30.0

BUNDLES_KEPT: Final = 4
"""Bundles that are no longer live and were asked for by a replay."""

_log = structlog.get_logger("tact.watcher")


@dataclass(slots=True)
class _Shop:
    """What is watched for one shop. own: whether its bundle is its own and not the default's. files: of its policy."""

    bundle: Watched[Bundle | None] = field(default_factory=lambda: Watched("bundle", None))
    policy: Watched[tuple[Policy, Draws] | None] = field(default_factory=lambda: Watched("policy", None))
    draws: Watched[Taught | None] = field(default_factory=lambda: Watched("draws", None))
    live: Watched[LiveStats | None] = field(default_factory=lambda: Watched("live", None))
    personas: Watched[Personas | None] = field(default_factory=lambda: Watched("personas", None))
    products: Watched[Catalog] = field(default_factory=lambda: Watched("catalog", EMPTY_CATALOG))
    own: bool = False
    files: tuple[Path, ...] = ()
    published_ns: int = 0
    catalog: Catalog = EMPTY_CATALOG
    catalog_of: Hashable = None
    arrivals: tuple[Suggestion, ...] = ()
    catalog_not_before_s: float = 0.0
    recommender: Recommender | None = None
    recommender_of: Hashable = None
    ranking_of: Bundle | None = None
    recommender_not_before_s: float = 0.0
    unreachable: str = ""

    def problems(self) -> dict[str, str]:
        """What was refused and why."""
        parts: tuple[Watched[Any], ...] = (
            self.bundle,
            self.policy,
            self.draws,
            self.live,
            self.personas,
            self.products,
        )
        refused: dict[str, str] = {part.what: part.problem for part in parts if part.problem}
        return refused | ({"sources": self.unreachable} if self.unreachable else {})

    def warnings(self) -> list[str]:
        """What is served and still deserves a look."""
        missing = [f"no {part.what}" for part in (self.bundle, self.policy) if part.value is None]
        several = policy_files.beside(self.files)
        return [*missing, several] if several else missing


class Watcher:
    """The live state of all shops."""

    def __init__(self, settings: Settings, catalogs: CatalogStore, metrics: Metrics, switches: Switchboard) -> None:
        self._settings, self._catalogs, self._metrics = settings, catalogs, metrics
        self._switchboard = switches
        self._switches: dict[str, Switched] = {}
        self._registry = Registry(settings.registry)
        self._archive = settings.home / "policies-archive"
        self._keys: Watched[Keys] = Watched("keys", Keys({}))
        self._shops: dict[str, _Shop] = {}
        self._live: dict[str, Live] = {}
        self._earlier: dict[str, Bundle] = {}
        self._keeper = Keeper()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def keys(self) -> Keys:
        """The API keys as the file holds them now."""
        return self._keys.value

    def get(self, shop: str) -> Live:
        """What a shop is served with; a shop nobody has set up yet has nothing, and its decisions degrade."""
        live = self._live.get(shop)
        if live is None:
            live = self._live[shop] = self._switched(shop, _assemble(shop, _Shop()))
        return live

    def start(self) -> None:
        """Look again every second from now on; refresh() was called before. Needs a running loop."""
        self._keeper.begin()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._watch_switches())]

    async def stop(self) -> None:
        """Stop watching; what is live stays."""
        self._stopping = True  # a client of Redis that is connecting may swallow the cancel
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refresh(self) -> None:
        """Look at every source once and swap what changed."""
        await asyncio.to_thread(self._refresh_keys)
        files = await asyncio.to_thread(policy_files.find, self._settings.policies)
        shops = {*(key.shop for key in self._keys.value.listed()), *files}
        for shop in sorted(self._shops.keys() - shops):
            self._forget(shop)
        for shop in sorted(shops):
            watched = self._shops.setdefault(shop, _Shop())
            watched.files = files.get(shop, ())
            try:
                products_changed = await self._refresh_products(shop, watched)
                live = await asyncio.to_thread(self._refresh_shop, shop, watched, products_changed)
                watched.unreachable = ""
            except Exception as error:  # noqa: BLE001  # one shop's registry or files must not stop the others
                self._tell_unreachable(shop, watched, error)
                continue
            if live is not None:
                self._live[shop] = self._switched(shop, live)
                version = live.policy.version if live.has_policy else ""
                self._metrics.live(shop, live.bundle.id if live.bundle else "", version)
                if products_changed:
                    self._keeper.keep()

    def _forget(self, shop: str) -> None:
        """A shop without keys and policy: nobody can ask for it, and nobody wants to read of it."""
        del self._shops[shop]
        self._live.pop(shop, None)
        self._metrics.forget(shop)
        _log.info("shop_withdrawn", shop=shop)

    def _tell_unreachable(self, shop: str, watched: _Shop, error: Exception) -> None:
        """Told once, not every second: what is live stays."""
        reason = f"{type(error).__name__}: {error}"
        if reason != watched.unreachable:
            watched.unreachable = reason
            self._metrics.reload_failed("sources")
            _log.error("sources_unreachable", shop=shop, exc_info=error)

    def readiness(self) -> dict[str, dict[str, Any]]:
        """For each shop: what is live, what was refused, and what deserves a look."""
        return {
            shop: {
                "bundle": live.bundle.id if live.bundle else None,
                "policy": live.policy.version if live.has_policy else None,
                "products": len(live.catalog.listed),
                "refused": self._shops[shop].problems(),
                "warnings": self._shops[shop].warnings(),
            }
            for shop in sorted(self._shops)
            for live in (self.get(shop),)
        }

    def refused(self) -> dict[str, str]:
        """What was refused of that which belongs to no single shop: the keys."""
        return {self._keys.what: self._keys.problem} if self._keys.problem else {}

    def find_bundle(self, bundle_id: str) -> Bundle:
        """A bundle a receipt names, live or not. Raises UnknownBundle, InvalidBundle. Slow: call it in a thread."""
        for live in tuple(self._live.values()):
            if live.bundle is not None and live.bundle.id == bundle_id:
                return live.bundle
        found = self._earlier.get(bundle_id)
        if found is None:
            found = bundles.load(self._registry.path(bundle_id))
            kept = list(self._earlier.items())[-(BUNDLES_KEPT - 1) :]
            self._earlier = dict([*kept, (bundle_id, found)])
        return found

    def find_policy(self, version: str) -> Policy:
        """A policy a receipt names, live or archived; reads a file. Raises KeyError, PolicyError."""
        for live in tuple(self._live.values()):
            if live.policy.version == version:
                return live.policy
        return policy_files.archived(self._archive, version)

    def find_draws(self, draws_id: str) -> Draws | None:
        """Draws a receipt names, live or archived; None if they are neither. Reads a file."""
        for live in tuple(self._live.values()):
            if live.draws.id == draws_id:
                return live.draws
        return draws_store.archived(self._settings.home / ARCHIVE, draws_id)

    async def _watch(self) -> None:
        while not self._stopping:
            await asyncio.sleep(PERIOD_S)
            try:
                await self.refresh()
            except OSError as error:  # the folder of policies or keys; it may be back in a second
                _log.error("watcher_failed", exc_info=error)

    async def _watch_switches(self) -> None:
        while not self._stopping:
            await asyncio.sleep(switchboard.PERIOD_S)
            self._metrics.settle()
            await self.refresh_switches()

    async def refresh_switches(self) -> None:
        """Look at what was switched by hand. With Redis away, what was switched before stays so."""
        for shop in tuple(self._live):
            try:
                found = await self._switchboard.read(shop)
            except StoreUnavailable:
                return
            if found != self._switches.get(shop, ()):
                self._switches[shop] = found
                self._live[shop] = self._switched(shop, self._live[shop])
                _log.info("switched", shop=shop, switches=dict(found))

    def _switched(self, shop: str, live: Live) -> Live:
        return replace(live, switches=self._switches.get(shop, ()))

    def _refresh_keys(self) -> None:
        path = self._settings.keys_file
        self._keys.refresh(mark(path), lambda: _load_keys(path), "", self._metrics)

    async def _refresh_products(self, shop: str, watched: _Shop) -> bool:
        version = 0
        try:
            version = await self._catalogs.version(shop)
            if version == watched.products.mark or time.monotonic() < watched.catalog_not_before_s:
                return False
            products = await self._catalogs.products(shop)
            catalog = await asyncio.to_thread(Catalog.of, products)
        except StoreUnavailable:
            return False  # readiness and the store's own metrics tell it; the catalog we have stays
        except (msgspec.MsgspecError, ValueError) as error:
            watched.products.refuse(version, error, shop, self._metrics)
            return False
        return watched.products.refresh(version, lambda: catalog, shop, self._metrics)

    def _refresh_shop(self, shop: str, watched: _Shop, changed: bool) -> Live | None:
        """Runs in a thread. A new Live if anything changed."""
        path = watched.files[0] if watched.files else None
        metrics = self._metrics
        changed |= watched.policy.refresh(mark(path), lambda: self._load_policy(path), shop, metrics)
        changed |= self._refresh_bundle(shop, watched)
        folder = self._settings.live
        drawn = mark(folder / draws_store.FOLDER / shop / "CURRENT")
        changed |= watched.draws.refresh(drawn, lambda: draws_store.load(folder, shop), shop, metrics)
        pointer = mark(folder / shop / "CURRENT")
        changed |= watched.live.refresh(pointer, lambda: load_live(folder, shop), shop, metrics)
        watched.published_ns = pointer.mtime_ns if pointer is not None else watched.published_ns
        if watched.published_ns:
            metrics.live_age(shop, time.time() - watched.published_ns / 1e9)
        kinds = live_file(self._settings.lake, shop)
        changed |= watched.personas.refresh(mark(kinds), lambda: _load_personas(kinds), shop, metrics)
        changed |= _refresh_catalog(shop, watched)
        changed |= _refresh_recommender(shop, watched)
        return _assemble(shop, watched) if changed or shop not in self._live else None

    def _load_policy(self, path: Path | None) -> tuple[Policy, Draws] | None:
        if path is None:
            return None
        policy = policy_files.load(path, self._archive)
        return policy, prior_draws(policy)

    def _refresh_bundle(self, shop: str, watched: _Shop) -> bool:
        """A shop whose own bundle's pointer is gone keeps that bundle: the default's must not slip in unasked."""
        found = self._registry.live(shop)
        changed = found != watched.bundle.mark
        if changed and watched.own and not self._registry.history(shop):
            found = None
        swapped = watched.bundle.refresh(found, lambda: self._load_bundle(found), shop, self._metrics)
        if swapped:
            watched.own = bool(self._registry.history(shop))
        return swapped

    def _load_bundle(self, bundle_id: str | None) -> Bundle | None:
        return None if bundle_id is None else bundles.load(self._registry.path(bundle_id))


def _load_keys(path: Path) -> Keys:
    """Raises InvalidKeys, FileNotFoundError: a file that goes while it is read is not a file without keys."""
    keys = Keys.load(path)
    if not keys.shops and not path.exists():
        raise FileNotFoundError(path)
    return keys


def _load_personas(path: Path) -> Personas:
    """Ready to be asked: what it is compiled to is made here, not at a decision. Raises InvalidPersonas, OSError."""
    found = read(path)
    found.of(pack([]))
    return found


def _refresh_catalog(shop: str, watched: _Shop) -> bool:
    """Join products and item statistics anew if either changed and the last time is long enough ago."""
    wanted = (watched.products.mark, watched.live.mark, watched.bundle.mark)
    started = time.monotonic()
    if wanted == watched.catalog_of or started < watched.catalog_not_before_s:
        return False
    stats = stats_of(shop, watched.bundle.value, watched.live.value)
    watched.catalog = watched.products.value.with_stats(stats) if stats is not None else watched.products.value
    watched.arrivals = arrivals(watched.products.value.listed)
    watched.catalog_of = wanted
    finished = time.monotonic()
    if watched.products.value.listed:  # an empty one costs nothing: what it took was imports and compiling
        watched.catalog_not_before_s = finished + min(REBUILD_SHARE * (finished - started), LONGEST_PAUSE_S)
    return True


def _refresh_recommender(shop: str, watched: _Shop) -> bool:
    """Put index and ranker together anew if what they are made of changed and the last time is long enough ago."""
    bundle, live = watched.bundle.value, watched.live.value
    wanted = (watched.bundle.mark, watched.live.mark, watched.products.mark)
    started = time.monotonic()
    if wanted == watched.recommender_of or started < watched.recommender_not_before_s:
        return False
    index = index_of(shop, bundle, live)
    index = with_facts(index, watched.products.value) if index is not None else None
    same_bundle = bundle is watched.ranking_of
    watched.recommender = recommender_of(index, bundle, watched.recommender if same_bundle else None)
    watched.recommender_of, watched.ranking_of = wanted, bundle
    finished = time.monotonic()
    watched.recommender_not_before_s = finished + REBUILD_SHARE * (finished - started)
    return True


def _assemble(shop: str, watched: _Shop) -> Live:
    bundle = watched.bundle.value
    if watched.policy.value is not None:
        policy, draws = watched.policy.value
        taught = watched.draws.value
        draws = taught.draws if taught is not None and taught.fit(policy) else draws
    else:
        policy = empty_policy(shop)
        draws = prior_draws(policy)
    catalog = watched.catalog
    return Live(
        shop=shop,
        bundle=bundle,
        policy=policy,
        has_policy=watched.policy.value is not None,
        draws=draws,
        catalog=catalog,
        recommender=watched.recommender,
        popular=popular(watched.recommender, catalog),
        arrivals=watched.arrivals,
        needs=needs_of(policy),
        personas=watched.personas.value,
        leave_line=leave_line_of(bundle, watched.live.value),
    )
