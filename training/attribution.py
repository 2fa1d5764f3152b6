"""Attribution: which orders stood behind which messages, by three rules; and beside it what the messages added.

An order is put down to messages that its visitor had seen before it, within the policy's window of their decision:

| credit   | who gets the order                                                                             |
|----------|------------------------------------------------------------------------------------------------|
| all      | every message seen, each the whole order: the rows sum to more than there were                  |
| last     | the one seen last before the order                                                              |
| position | all of them, each step further from the order half as much; together one order                  |

A refund takes off what its order gave, however late in what is read; one without an order's id is of the visitor's
last.
Attributed is not incremental: who buys anyway has often seen something. That is what the posterior is asked for
(models/posterior.py), by comparison with silence at the same moments.
"""

import copy
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from models.credit import Credit, Open, money_of
from models.effects import N_EFFECTS, effects_of
from models.policy_terms import CREDITS, Policy
from models.posterior import Posterior
from models.trial import SILENCE, Trial
from training.learn_policy import Lessons, Z
from training.trials import Line

_WHOLE: Final = 0.005
"""Money within which a refund is of the whole order."""
_MET: Final = ("decided", "shown", "clicked", "dismissed")
Shares = Mapping[str, Mapping[str, float]]
"""By credit, then action: how much of an order."""
Tally = dict[str, defaultdict[str, float]]
"""The same, summed."""


@dataclass(slots=True)
class _Order:
    """What an order gave and to whom. left: money that was not refunded. counts: False once all of it was."""

    shares: Shares
    left: float
    counts: bool = True

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Order":
        """What it gave is never changed."""
        return _Order(self.shares, self.left, self.counts)


class Plain(msgspec.Struct):
    """All that an Attribution found, to be written down. sums: name, type, shape and bytes of the posterior's arrays.
    given: the orders, each once; known and latest: where they stand there."""

    sums: dict[str, tuple[str, list[int], bytes]]
    shown: list[tuple[str, str, int]]
    rewarded: int
    attributed: int
    met: dict[str, dict[str, int]]
    orders: dict[str, dict[str, float]]
    revenue: dict[str, dict[str, float]]
    given: list[tuple[dict[str, dict[str, float]], float, bool]]
    known: list[tuple[str, str, int]]
    latest: dict[str, int]
    at: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Added:
    """What a message added over silence in all its showings, with its 95 % interval, in units of the reward."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Earned:
    """One action. orders, revenue: by credit. added: None where there are too few data to tell."""

    action: str
    decided: int
    shown: int
    clicked: int
    dismissed: int
    orders: Mapping[str, float]
    revenue: Mapping[str, float]
    added: Added | None

    @property
    def click_rate(self) -> float:
        """Of showings; NaN where there were none."""
        return self.clicked / self.shown if self.shown else float("nan")

    @property
    def dismissal_rate(self) -> float:
        """Of showings; NaN where there were none."""
        return self.dismissed / self.shown if self.shown else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """As `--json` writes it."""
        rates = (self.click_rate, self.dismissal_rate) if self.shown else (None, None)
        added = self.added
        return {
            **{name: getattr(self, name) for name in ("action", "decided", "shown", "clicked", "dismissed")},
            **dict(zip(("click_rate", "dismissal_rate"), rates, strict=True)),
            "orders": dict(self.orders),
            "revenue": dict(self.revenue),
            "added": None if added is None else {"value": added.value, "value_ci": [added.low, added.high]},
        }


@dataclass
class Attribution:
    """Follows a log: `heed` for LakeTrials, `learn` for the trials that ended, `earned` at the end.

    attributed: orders that stood behind a message and were not refunded whole.
    """

    policy: Policy
    lessons: Lessons = field(init=False)
    attributed: int = 0
    _met: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _MET})
    _orders: Tally = field(default_factory=lambda: {name: defaultdict(float) for name in CREDITS})
    _revenue: Tally = field(default_factory=lambda: {name: defaultdict(float) for name in CREDITS})
    _known: dict[tuple[str, str], _Order] = field(default_factory=dict)
    _latest: dict[str, _Order] = field(default_factory=dict)
    _at: dict[str, npt.NDArray[np.float64]] = field(default_factory=lambda: defaultdict(lambda: np.zeros(N_EFFECTS)))

    def __post_init__(self) -> None:
        self.lessons = Lessons.of((), self.policy)

    def copy(self) -> "Attribution":
        """One that goes its own way from here, for the same policy."""
        return copy.deepcopy(self, {id(self.policy): self.policy})

    def to_plain(self) -> Plain:
        """The whole state; from_plain is the way back."""
        sums = {n: (a.dtype.str, list(a.shape), a.tobytes()) for n, a in self.lessons.posterior.to_arrays().items()}
        given = list({id(one): one for one in (*self._known.values(), *self._latest.values())}.values())
        place = {id(one): at for at, one in enumerate(given)}
        return Plain(
            sums,
            [(action, stage, count) for (action, stage), count in self.lessons.shown.items()],
            self.lessons.rewarded,
            self.attributed,
            {name: dict(counts) for name, counts in self._met.items()},
            {name: dict(tally) for name, tally in self._orders.items()},
            {name: dict(tally) for name, tally in self._revenue.items()},
            [({name: dict(one) for name, one in o.shares.items()}, o.left, o.counts) for o in given],
            [(visitor, order, place[id(one)]) for (visitor, order), one in self._known.items()],
            {visitor: place[id(one)] for visitor, one in self._latest.items()},
            {action: sums.tolist() for action, sums in self._at.items()},
        )

    @classmethod
    def from_plain(cls, policy: Policy, plain: Plain) -> "Attribution":
        """From to_plain, for the same policy. Raises KeyError, ValueError where its parts do not fit."""
        found = cls(policy)
        sums = {n: np.frombuffer(data, kind).reshape(shape) for n, (kind, shape, data) in plain.sums.items()}
        shown = Counter({(action, stage): count for action, stage, count in plain.shown})
        found.lessons = Lessons(Posterior.from_arrays(sums), shown, plain.rewarded)
        found.attributed = plain.attributed
        for name, counts in plain.met.items():
            found._met[name].update(counts)
        for tally, told in ((found._orders, plain.orders), (found._revenue, plain.revenue)):
            for name, one in told.items():
                tally[name].update(one)
        given = [_Order(shares, left, counts) for shares, left, counts in plain.given]
        found._known = {(visitor, order): given[at] for visitor, order, at in plain.known}
        found._latest = {visitor: given[at] for visitor, at in plain.latest.items()}
        found._at.update({action: np.array(one, np.float64) for action, one in plain.at.items()})
        return found

    def heed(self, lines: list[Line], credit: Credit) -> None:
        """An event, before credit counts it."""
        first = lines[0]
        if first.event == "purchase":
            self._ordered(first, money_of(lines), _seen(credit.open_of(first.visitor_id), first.ts_ms, credit))
        elif first.event == "refund":
            self._refunded(first, money_of(lines))

    def _ordered(self, line: Line, revenue: float, seen: Sequence[str]) -> None:
        key = (line.visitor_id, line.order_id)
        if not seen or (line.order_id and key in self._known):
            return
        order = _Order(_shares(seen), revenue)
        self._latest[line.visitor_id] = order
        if line.order_id:
            self._known[key] = order
        self._give(order, 1.0, revenue)
        self.attributed += 1

    def _refunded(self, line: Line, money: float) -> None:
        named = self._known.get((line.visitor_id, line.order_id))
        found = named if line.order_id else self._latest.get(line.visitor_id)
        if found is None or not found.counts:
            return
        whole = not money or money >= found.left - _WHOLE
        taken = found.left if whole else money
        found.left, found.counts = found.left - taken, not whole
        self._give(found, -1.0 if whole else 0.0, -taken)
        self.attributed -= whole

    def _give(self, order: _Order, orders: float, revenue: float) -> None:
        for credit, shares in order.shares.items():
            for action, share in shares.items():
                self._orders[credit][action] += share * orders
                self._revenue[credit][action] += share * revenue

    def learn(self, trials: list[Trial]) -> None:
        """Trials that ended."""
        self.lessons.learn(trials)
        for trial in trials:
            if trial.chosen == SILENCE:
                continue
            for name in _MET:
                self._met[name][trial.chosen] += name == "decided" or bool(getattr(trial, name))
            if trial.shown:
                self._at[trial.chosen] += effects_of(np.array(trial.stage), np.array(trial.intent), trial.weariness)

    def earned(self) -> list[Earned]:
        """Every action of the policy, in its order; then those that it has no more."""
        listed = [action.id for action in self.policy.actions]
        gone = sorted(self._met["decided"].keys() - set(listed))
        added = dict(self._added())
        return [self._of(action, added.get(action)) for action in (*listed, *gone)]

    def _of(self, action: str, added: Added | None) -> Earned:
        decided, shown, clicked, dismissed = (self._met[name][action] for name in _MET)
        orders, revenue = (
            {name: tally[action] for name, tally in found.items()} for found in (self._orders, self._revenue)
        )
        return Earned(action, decided, shown, clicked, dismissed, orders, revenue, added)

    def _added(self) -> Iterator[tuple[str, Added]]:
        """Of the policy's actions of which there are data enough."""
        if not self.policy.actions:
            return
        belief = self.lessons.posterior.believed(self.policy)
        tried: Counter[str] = Counter()
        for (name, _), count in self.lessons.shown.items():
            tried[name] += count
        for place, action in enumerate(self.policy.actions):
            if self.lessons.enough(tried[action.id]):
                mean, spread = belief.effect(place, self._at[action.id])
                yield action.id, Added(mean, mean - Z * spread, mean + Z * spread)


def _seen(open_: Sequence[Open], ts_ms: int, credit: Credit) -> list[str]:
    """The actions a visitor had seen by a moment, the one seen last at the end."""
    counted = [
        one
        for one in open_
        if one.trial.chosen != SILENCE
        and one.shown
        and one.trial.ts_ms < ts_ms
        and one.shown_ms <= ts_ms
        and (not credit.window_ms or ts_ms <= one.trial.ts_ms + credit.window_ms)
    ]
    counted.sort(key=lambda one: (one.shown_ms, one.trial.ts_ms))
    return [one.trial.chosen for one in counted]


def _shares(seen: Sequence[str]) -> Shares:
    """seen: actions, the one seen last at the end; not empty."""
    weights = [0.5**step for step in range(len(seen))]
    by_position: dict[str, float] = defaultdict(float)
    for action, weight in zip(reversed(seen), weights, strict=True):
        by_position[action] += weight / sum(weights)
    return {"all": dict.fromkeys(seen, 1.0), "last": {seen[-1]: 1.0}, "position": by_position}
