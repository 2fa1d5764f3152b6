"""The teacher: part of the learner. Follows decisions and outcomes, and keeps each shop's draws up to date.

Every LEARN_S the trials whose windows have ended are learned from (models/credit.py, models/posterior.py). New draws
are published when what is believed moved by MOVED of its own spread somewhere, or the policy changed; so a shop with
little news publishes little. The state is part of the learner's checkpoint: after a crash nothing counts twice.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from features.lake_catalog import catalog_file, read_catalog
from models.credit import Credit, Told
from models.policy import Policy, PolicyError
from models.posterior import Belief, Posterior
from models.trial import read_trials
from service import draws_store, policy_files
from service.draws_store import ARCHIVE, DrawsFacts
from service.settings import Settings
from service.snapshots import InvalidSnapshot
from service.watched import mark

LEARN_S: Final = 5.0
MOVED: Final = 0.1
FEW: Final = 2000
"""Trials before anything is published: until then the priors say all there is."""

_log = structlog.get_logger("tact.teacher")

Arrays = dict[str, npt.NDArray[Any]]


class TeacherMetrics:
    """What the teacher counts; in docs/metrics.md."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outcomes = Counter(
            "tact_outcomes",
            "Outcomes (shown, clicked, dismissed, ordered, put in the cart, refunded), by what they were told as.",
            ["told"],
            registry=registry,
        )
        for told in Told:
            if told is not Told.NOTHING:
                self.outcomes.labels(told.value)
        self.trials = Counter("tact_trials", "Trials that ended and were learned from.", ["shop"], registry=registry)
        self.dropped = Counter(
            "tact_trials_dropped", "Trials that ended without a reward, for want of room.", registry=registry
        )
        self.open = Gauge("tact_trials_open", "Trials whose window is open.", ["shop"], registry=registry)
        self.published = Counter("tact_draws_published", "Draws published.", ["shop"], registry=registry)


@dataclass
class _Shop:
    """One shop's lesson. policy: None until its file was read. terms: what rewards are made of.

    told: the mean last published, and the policy it was for. heard_s: when the clock was heard, by the process's own.
    start: which promoted sums it went on from last, and since_ms: up to when they count already; looked: at their mark.
    priced: the mark of the catalog that margins were read from.
    """

    credit: Credit
    posterior: Posterior
    policy: Policy | None = None
    seen: object = None
    terms: str = ""
    clock_ms: int = 0
    heard_s: float = 0.0
    told: tuple[npt.NDArray[np.float64], str] | None = None
    start: int = 0
    since_ms: int = 0
    looked: object = None
    priced: object = None

    def now_ms(self, now_s: float) -> int:
        """The shop's clock: its latest event's time, and what passed since it was heard."""
        return self.clock_ms + int(1000 * max(0.0, now_s - self.heard_s))

    def heard(self, ts_ms: int) -> None:
        if ts_ms > self.clock_ms:
            self.clock_ms, self.heard_s = ts_ms, time.monotonic()


class Teacher:
    """Lessons of all shops."""

    def __init__(self, settings: Settings, metrics: TeacherMetrics) -> None:
        self.metrics = metrics
        self._policies, self._live, self._lake = settings.policies, settings.live, settings.lake
        self._archive, self._policy_archive = settings.home / ARCHIVE, settings.home / "policies-archive"
        self._shops: dict[str, _Shop] = {}
        self._look_at_s = time.monotonic() + LEARN_S

    def decided(self, shop: str, receipt: bytes) -> None:
        """A decision's receipt; one that cannot be read teaches nothing, and the recorder keeps it aside."""
        try:
            trials = read_trials(receipt)
        except msgspec.MsgspecError:
            return
        if not trials:
            return
        lesson = self._lesson(shop)
        lesson.heard(trials[0].ts_ms)
        self.metrics.dropped.inc(len(lesson.credit.decided(trials)))

    def happened(self, shop: str, lines: Sequence[Any]) -> None:
        """An event, all its lines."""
        lesson = self._shops.get(shop)
        if lesson is None:
            return
        lesson.heard(lines[0].ts_ms)
        told = lesson.credit.happened(lines)
        if told is not Told.NOTHING:
            self.metrics.outcomes.labels(told.value).inc()

    def forget(self, shop: str, visitor_id: str) -> None:
        """Drops a visitor's open trials; sums that they already count in hold no visitor."""
        if shop in self._shops:
            self._shops[shop].credit.forget(visitor_id)

    def look(self, now_s: float, force: bool = False) -> None:
        """Learns and publishes, if it is time."""
        if now_s < self._look_at_s and not force:
            return
        for name, lesson in self._shops.items():
            self._refresh_policy(name, lesson)
            self._refresh_margins(name, lesson)
            if lesson.policy is not None:
                self._go_on(name, lesson, lesson.policy)
                self._learn(name, lesson, lesson.policy, now_s)
            self.metrics.open.labels(name).set(len(lesson.credit))
        self._look_at_s = time.monotonic() + LEARN_S

    def _lesson(self, shop: str) -> _Shop:
        lesson = self._shops.get(shop)
        if lesson is None:
            lesson = self._shops[shop] = _Shop(Credit(None, 0), Posterior())
            self._refresh_policy(shop, lesson)
        return lesson

    def _refresh_policy(self, shop: str, lesson: _Shop) -> None:
        """The shop's policy as its file says now; a file that is refused or gone leaves the one before."""
        paths = [self._policies / f"{shop}{suffix}" for suffix in policy_files.SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        seen = mark(path)
        if path is None or seen == lesson.seen:
            return
        lesson.seen = seen
        try:
            policy = policy_files.load(path, self._policy_archive)
        except (PolicyError, OSError) as error:  # the watcher tells people of it
            _log.warning("policy_refused", shop=shop, error=str(error).splitlines()[0])
            return
        self._begin(shop, lesson, policy)

    def _refresh_margins(self, shop: str, lesson: _Shop) -> None:
        """Margins of the lake's copy of the catalog, where the reward counts them; a copy that is damaged is left."""
        if lesson.policy is None or lesson.policy.reward is None or not lesson.policy.reward.margin:
            return
        seen = mark(catalog_file(self._lake, shop))
        if seen == lesson.priced:
            return
        lesson.priced = seen
        try:
            margins = {product.item_id: product.margin for product in read_catalog(self._lake, shop)}
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("margins_unknown", shop=shop, error=f"{type(error).__name__}: {error}")
            return
        lesson.credit.margin_of = margins.get

    def _begin(self, shop: str, lesson: _Shop, policy: Policy) -> None:
        """Takes up a policy. Rewards of other terms are not comparable: what was learned under them goes."""
        terms = policy.terms
        if lesson.terms and lesson.terms != terms:
            lesson.posterior = Posterior(policy.half_life_days)
            _log.warning("learned_anew", shop=shop, because="the policy's reward or its window changed")
        lesson.credit.set_terms(policy.reward, policy.attribution.window_s)
        lesson.posterior.half_life_days = policy.half_life_days
        lesson.policy, lesson.terms = policy, terms

    def _go_on(self, shop: str, lesson: _Shop, policy: Policy) -> None:
        """Goes on from sums that a promotion or a rollback left, once; trials that count in them do not count again."""
        seen = mark(self._live / draws_store.STARTS / shop / "CURRENT")
        if seen == lesson.looked:
            return
        lesson.looked = seen
        try:
            found = draws_store.load_start(self._live, shop)
            if found is None or found.seq == lesson.start:
                return
            lesson.start = found.seq
            if found.terms != policy.terms:
                _log.error("start_refused", shop=shop, because="its rewards are not those of the policy")
                return
            lesson.posterior = Posterior.from_arrays(found.arrays)
        except (InvalidSnapshot, KeyError, ValueError) as error:
            _log.error("start_refused", shop=shop, because=f"{type(error).__name__}: {error}")
            return
        lesson.posterior.half_life_days = policy.half_life_days
        lesson.since_ms = lesson.posterior.as_of_ms
        lesson.told = (lesson.posterior.believed(policy).mean, policy.version) if policy.actions else None
        _log.info("went_on_from", shop=shop, trials=lesson.posterior.trials, as_of_ms=lesson.since_ms)

    def _learn(self, shop: str, lesson: _Shop, policy: Policy, now_s: float) -> None:
        ended = [t for t in lesson.credit.settle(lesson.now_ms(now_s)) if t.ts_ms > lesson.since_ms]
        told = lesson.posterior.learn(ended)
        self.metrics.trials.labels(shop).inc(told)
        changed = lesson.told is None or lesson.told[1] != policy.version
        if not policy.actions or lesson.posterior.trials < FEW or not (told or changed):
            return
        belief = lesson.posterior.believed(policy)
        if not changed and not moved(belief, lesson.told):
            return
        self._publish(shop, lesson, policy, belief)

    def _publish(self, shop: str, lesson: _Shop, policy: Policy, belief: Belief) -> None:
        posterior = lesson.posterior
        draws = belief.draws(posterior.seed(policy))
        actions = tuple(action.id for action in policy.actions)
        facts = DrawsFacts(draws.id, shop, policy.version, actions, posterior.trials, posterior.as_of_ms, belief.width)
        try:
            draws_store.publish(self._live, self._archive, draws, facts)
        except OSError as error:
            _log.error("draws_not_written", shop=shop, error=str(error))
            return
        lesson.told = (belief.mean, policy.version)
        self.metrics.published.labels(shop).inc()

    def to_arrays(self) -> Arrays:
        """The whole state, for the learner's checkpoint; names begin with `teacher`."""
        arrays: Arrays = {}
        for at, (name, lesson) in enumerate(sorted(self._shops.items())):
            facts = msgspec.msgpack.encode((name, lesson.terms, lesson.clock_ms, lesson.start, lesson.since_ms))
            arrays[f"teacher_{at}_facts"] = np.frombuffer(facts, np.uint8)
            arrays[f"teacher_{at}_credit"] = np.frombuffer(lesson.credit.to_bytes(), np.uint8)
            for part, array in lesson.posterior.to_arrays().items():
                arrays[f"teacher_{at}_posterior_{part}"] = array
        return arrays

    def take_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Takes up a state of to_arrays. Raises KeyError, ValueError, msgspec.MsgspecError where it does not fit."""
        at = 0
        while f"teacher_{at}_facts" in arrays:
            name, terms, clock_ms, *start = msgspec.msgpack.decode(bytes(arrays[f"teacher_{at}_facts"]))
            lesson = _Shop(Credit(None, 0), Posterior.from_arrays(_parts(arrays, at)), terms=terms)
            lesson.start, lesson.since_ms = start or (0, 0)  # checkpoints from before there were promotions have none
            lesson.credit.take_bytes(bytes(arrays[f"teacher_{at}_credit"]))
            lesson.heard(clock_ms)
            self._shops[name] = lesson
            self._refresh_policy(name, lesson)
            at += 1


def learned(arrays: Mapping[str, npt.NDArray[Any]], shop: str) -> Arrays | None:
    """What a shop's trials told, out of a state of to_arrays; None if it holds no such shop."""
    at = 0
    while f"teacher_{at}_facts" in arrays:
        if msgspec.msgpack.decode(bytes(arrays[f"teacher_{at}_facts"]))[0] == shop:
            return _parts(arrays, at)
        at += 1
    return None


def _parts(arrays: Mapping[str, npt.NDArray[Any]], at: int) -> Arrays:
    prefix = f"teacher_{at}_posterior_"
    return {key.removeprefix(prefix): np.array(a) for key, a in arrays.items() if key.startswith(prefix)}


def moved(belief: Belief, before: tuple[npt.NDArray[np.float64], str] | None) -> bool:
    """Whether what is believed is worth telling: somewhere MOVED of its spread from what was told before."""
    if before is None or before[0].shape != belief.mean.shape:
        return True
    return bool(np.any(np.abs(belief.mean - before[0]) > MOVED * belief.spread))
