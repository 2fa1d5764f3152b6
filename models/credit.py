"""Credit: what came of each decision. Follows a shop's decisions and events and ends each trial when its window ends.

The reward of a trial is what its visitor did from the decision to the end of the window, weighed by the policy's
`reward`: every trial of the visitor gets it, whatever was chosen, silence included, because an effect is told by
comparing what followed a message with what followed silence. Which one message an order is put down to is another
question, that of attribution (training/attribution.py).

| window  | ends                                                          |
|---------|---------------------------------------------------------------|
| session | when the visitor did nothing for 30 minutes                    |
| 1d, 7d  | so long after the decision                                     |

What names no decision that is open is counted as told by `Told`; the event itself is kept in the lake all the same.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Final, Protocol

import msgspec

from features.events import PROMOTION_KINDS, SESSION_GAP_MS
from models.policy_terms import Reward
from models.trial import SILENCE, Next, Trial

MOST_OPEN: Final = 200_000
"""Trials of a shop kept open at most; beyond, those of the visitors longest unheard of end without a reward."""
GRACE_MS: Final = 60_000
"""How much later than its window a trial ends, for events that come late."""
MOST_DEEDS: Final = 256
"""Deeds of one visitor kept at most, the latest."""
_SHOWN, _CLICKED, _DISMISSED = PROMOTION_KINDS


class Told(Enum):
    """What an event was to the open trials. LATE: of a decision whose window has ended; UNKNOWN: of none we know."""

    NOTHING = "nothing"
    COUNTED = "counted"
    UNKNOWN = "unknown"
    LATE = "late"
    AGAIN = "again"


class Line(Protocol):
    """What is needed of an event's line: features.events.Row, or the stream's own form of it."""

    @property
    def visitor_id(self) -> str: ...
    @property
    def ts_ms(self) -> int: ...
    @property
    def event(self) -> str: ...
    @property
    def item_id(self) -> str: ...
    @property
    def quantity(self) -> int: ...
    @property
    def order_id(self) -> str: ...
    @property
    def decision_id(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def price(self) -> float | None: ...
    @property
    def value(self) -> float | None: ...


class _Deed(msgspec.Struct):
    """Something that counts: when, and how much of each term of a reward. order_id: of orders and refunds."""

    ts_ms: int
    order: float = 0.0
    revenue: float = 0.0
    margin: float = 0.0
    cart: float = 0.0
    order_id: str = ""


class Open(msgspec.Struct):
    """A trial whose window is open, and what its message met with. shown_ms: when it was first seen, or 0."""

    trial: Trial
    shown: bool
    clicked: bool = False
    dismissed: bool = False
    shown_ms: int = 0


class _Visitor(msgspec.Struct):
    """A visitor with open trials. heard_ms: of their last event or decision."""

    heard_ms: int
    open: list[Open] = []
    deeds: list[_Deed] = []


class _State(msgspec.Struct):
    visitors: list[tuple[str, _Visitor]]
    counts: dict[str, int]
    over: list[Trial] = []


class Credit:
    """Open trials of one shop. reward: None is one for each order. window_s: 0 is the visitor's session.

    margin_of: the margin of one unit of a product, in money; NaN or None where unknown.
    counts: how many outcomes were told as what, by Told's values, and `dropped` trials.
    """

    def __init__(
        self, reward: Reward | None, window_s: int, margin_of: Callable[[str], float | None] | None = None
    ) -> None:
        self.set_terms(reward, window_s)
        self.counts = dict.fromkeys((*(told.value for told in Told), "dropped"), 0)
        self.margin_of = margin_of or (lambda _: None)
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        self._decisions: dict[str, str] = {}
        self._over: list[Trial] = []
        self._n_open = 0

    def set_terms(self, reward: Reward | None, window_s: int) -> None:
        """What counts from now on, for open trials too."""
        self.reward, self.window_ms = reward or Reward(order=1.0), 1000 * window_s

    def __len__(self) -> int:
        return self._n_open

    def decided(self, trials: Iterable[Trial]) -> list[Trial]:
        """Opens trials. Returns those that had to end for want of room, without a reward."""
        for trial in trials:
            visitor = self._heard(trial.visitor_id, trial.ts_ms)
            if trial.decision_id in self._decisions and any(_is(trial, other.trial) for other in visitor.open):
                continue  # the same receipt again
            visitor.open.append(Open(trial, shown=trial.chosen == SILENCE))
            self._decisions[trial.decision_id] = trial.visitor_id
            self._n_open += 1
        dropped = []
        while self._n_open > MOST_OPEN:
            _, oldest = self._visitors.popitem(last=False)
            dropped += [self._close(open_) for open_ in oldest.open]
        self.counts["dropped"] += len(dropped)
        return dropped

    def happened(self, lines: Sequence[Line]) -> Told:
        """One event, all its lines."""
        first = lines[0]
        visitor = self._visitors.get(first.visitor_id)
        if visitor is not None:
            visitor = self._heard(first.visitor_id, first.ts_ms)
        told = self._outcome(first, visitor) if first.event in PROMOTION_KINDS else self._deed(lines, visitor)
        self.counts[told.value] += 1
        return told

    def _heard(self, visitor_id: str, ts_ms: int) -> _Visitor:
        visitor = self._visitors.get(visitor_id)
        if visitor is not None and not self.window_ms and ts_ms - visitor.heard_ms > SESSION_GAP_MS:
            self._over += [self._close(open_, *self._earned(open_, visitor)) for open_ in visitor.open]
            visitor = None  # another session: nothing it brings is put down to the one before
        if visitor is None:
            visitor = self._visitors[visitor_id] = _Visitor(ts_ms)
        visitor.heard_ms = max(visitor.heard_ms, ts_ms)
        self._visitors.move_to_end(visitor_id)
        return visitor

    def _outcome(self, line: Line, visitor: _Visitor | None) -> Told:
        """Something the message itself met with."""
        of = [o for o in visitor.open if o.trial.chosen == line.action] if visitor is not None else []
        if line.decision_id:
            if line.decision_id not in self._decisions:
                return Told.LATE if _looks_ours(line.decision_id) else Told.UNKNOWN
            of = [o for o in of if o.trial.decision_id == line.decision_id]
        if not of:
            return Told.UNKNOWN
        met = of[-1]  # without the decision's id, the latest that chose the action
        name = {_SHOWN: "shown", _CLICKED: "clicked", _DISMISSED: "dismissed"}[line.event]
        if getattr(met, name):
            return Told.AGAIN
        setattr(met, name, True)
        met.shown, met.shown_ms = True, met.shown_ms or line.ts_ms  # who clicks or waves away has seen it
        return Told.COUNTED

    def _deed(self, lines: Sequence[Line], visitor: _Visitor | None) -> Told:
        """Something the visitor did that a reward counts."""
        if visitor is None or lines[0].event not in ("purchase", "refund", "add_to_cart"):
            return Told.NOTHING
        first = lines[0]
        del visitor.deeds[:-MOST_DEEDS]
        if first.event == "add_to_cart":
            visitor.deeds.append(_Deed(first.ts_ms, cart=float(sum(max(line.quantity, 1) for line in lines))))
            return Told.COUNTED
        revenue, margin = money_of(lines), self._margin(lines)
        if first.event == "purchase":
            if first.order_id and any(d.order_id == first.order_id and d.order for d in visitor.deeds):
                return Told.AGAIN
            visitor.deeds.append(_Deed(first.ts_ms, 1.0, revenue, margin, order_id=first.order_id))
            return Told.COUNTED
        return self._refund(first, revenue, margin, visitor)

    def _refund(self, line: Line, revenue: float, margin: float, visitor: _Visitor) -> Told:
        """Takes off what the order gave, at most; a refund of the whole order takes the order off."""
        orders = [d for d in visitor.deeds if d.order and line.order_id in ("", d.order_id)]
        if not orders:
            return Told.LATE
        order = orders[-1]
        whole = not revenue or revenue >= order.revenue - 0.005
        order.revenue, order.margin = (0.0, 0.0) if whole else (order.revenue - revenue, order.margin - margin)
        order.order = 0.0 if whole else order.order
        return Told.COUNTED

    def _margin(self, lines: Sequence[Line]) -> float:
        known = [(self.margin_of(line.item_id), line.quantity) for line in lines if line.item_id]
        return float(sum(m * q for m, q in known if m is not None and m == m))

    def settle(self, now_ms: int) -> list[Trial]:
        """The trials whose windows have ended by a moment, with their rewards, oldest visitor first."""
        ended, self._over = self._over, []
        for visitor_id in list(self._visitors):
            visitor = self._visitors[visitor_id]
            if not self.window_ms and now_ms <= visitor.heard_ms + SESSION_GAP_MS + GRACE_MS:
                continue
            still = []
            for open_ in visitor.open:
                if self.window_ms and now_ms <= open_.trial.ts_ms + self.window_ms + GRACE_MS:
                    still.append(open_)
                else:
                    ended.append(self._close(open_, *self._earned(open_, visitor)))
            visitor.open = still
            if not still:
                del self._visitors[visitor_id]
        return ended

    def _close(self, open_: Open, of_page: float = float("nan"), following: Next | None = None) -> Trial:
        self._n_open -= 1
        self._decisions.pop(open_.trial.decision_id, None)
        own = self._own(open_)
        met = {name: getattr(open_, name) for name in ("shown", "clicked", "dismissed")}
        return msgspec.structs.replace(open_.trial, reward=own + of_page, own=own, next=following, **met)

    def _own(self, open_: Open) -> float:
        """What the message itself met with."""
        return float(self.reward.click * open_.clicked - self.reward.dismissal * open_.dismissed)

    def _earned(self, open_: Open, visitor: _Visitor) -> tuple[float, Next | None]:
        """What followed a trial's page in its window, and what of it came from the visitor's next decision on."""
        trial = open_.trial
        end = trial.ts_ms + self.window_ms if self.window_ms else visitor.heard_ms
        later = (o for o in visitor.open if trial.ts_ms < o.trial.ts_ms <= end)
        following = min(later, key=lambda o: o.trial.ts_ms, default=None)
        of_page = self._of_page(trial.ts_ms, visitor, end)
        if following is None:
            return of_page, None
        then = following.trial
        reward = self._own(following) + self._of_page(then.ts_ms, visitor, end)
        return of_page, Next(then.stage, then.intent, then.weariness, reward)

    def _of_page(self, begin: int, visitor: _Visitor, end: int) -> float:
        """The weighted sum of what the visitor did after a moment, up to another."""
        reward, total = self.reward, 0.0
        for deed in visitor.deeds:
            if begin < deed.ts_ms <= end:  # what came with the question was not its effect
                total += reward.order * deed.order + reward.revenue * deed.revenue
                total += reward.margin * deed.margin + reward.cart * deed.cart
        return float(total)

    def open_of(self, visitor_id: str) -> Sequence[Open]:
        """A visitor's open trials, as they were decided."""
        visitor = self._visitors.get(visitor_id)
        return visitor.open if visitor is not None else ()

    def forget(self, visitor_id: str) -> None:
        """Drops a visitor and their open trials."""
        visitor = self._visitors.pop(visitor_id, None)
        for open_ in visitor.open if visitor else ():
            self._close(open_)

    def to_bytes(self) -> bytes:
        """The whole state; from_bytes is the way back."""
        return msgspec.msgpack.encode(_State(list(self._visitors.items()), self.counts, self._over))

    def take_bytes(self, data: bytes) -> None:
        """Takes up a state from to_bytes. Raises msgspec.MsgspecError where it is none."""
        state: Any = msgspec.msgpack.decode(data, type=_State)
        self._visitors = OrderedDict(state.visitors)
        self.counts |= state.counts
        self._over = state.over
        self._decisions = {o.trial.decision_id: name for name, v in self._visitors.items() for o in v.open}
        self._n_open = sum(len(v.open) for v in self._visitors.values())


def _is(one: Trial, other: Trial) -> bool:
    return one.decision_id == other.decision_id and one.placement == other.placement


def money_of(lines: Sequence[Line]) -> float:
    """What an event is about in money: its own value, else the sum of its lines."""
    value = lines[0].value
    if value is not None and value == value:
        return float(value)
    priced = [(line.price, line.quantity) for line in lines]
    return float(sum(p * q for p, q in priced if p is not None and p == p))


_CROCKFORD: Final = frozenset("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def _looks_ours(decision_id: str) -> bool:
    """Whether an id has the form of a decision's."""
    name, dash, partition = decision_id.rpartition("-")
    return bool(dash) and partition.isdigit() and len(name) == 26 and set(name) <= _CROCKFORD
