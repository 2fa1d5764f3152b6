"""The moment a decision is about: what gates and rules see of a visitor, a page and what was shown before."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numba
import numpy as np
import numpy.typing as npt

from features.catalog import Product
from features.events import CODE, KINDS, SESSION_GAP_MS
from features.record import Records, hash64
from features.schema import INDEX
from features.tail import as_read, session_starts
from models.bundle import Scores
from models.cel_library import cel
from models.inputs import Inputs, Suggestion
from models.intent import INTENTS
from models.offers import offers
from models.policy_terms import Action, Policy
from models.rules import ATTRIBUTES, FEATURE_NAMES, FLAGS, ITEM_NAMES, LOCAL_TIME, PERSONA, Name, Rule, holds
from models.schedule import local_time
from models.stage import STAGES

DAY_MS: Final = 86_400_000
_SHOWN, _CLICKED, _DISMISSED = (CODE[f"{what}_promotion"] for what in ("view", "select", "dismiss"))
_EVENT_KIND: Final = INDEX["event_kind"]

Vector = npt.NDArray[np.float32]


class History(msgspec.Struct, frozen=True):
    """What this visitor was shown, as far as the tail reaches. Keys are hashes of action ids, times Unix ms.

    shown: times of each action, oldest first. dismissed: the last time of each, also from before the tail.
    session_ms: when this session began. ignored: of each action, when it was last shown in each earlier session that
    neither clicked nor dismissed it, oldest first. dismissed_30d: how many actions were dismissed in 30 days.
    """

    shown: Mapping[int, tuple[int, ...]]
    dismissed: Mapping[int, int]
    session_ms: int
    shown_in_session: int
    shown_in_day: int
    ignored: Mapping[int, tuple[int, ...]] = MappingProxyType({})
    dismissed_30d: int = 0

    @classmethod
    def of(cls, tail: Records, now_ms: int, refused: Iterable[tuple[int, int]] = ()) -> "History":
        """The history in a tail as of now. refused: dismissals known from elsewhere (action's hash, time)."""
        begin, places = session_and_messages(tail, now_ms)
        session_ms = int(tail["ts_ms"][begin]) if begin < tail.size else now_ms
        dismissed: dict[int, int] = {}
        for action, ts_ms in refused:
            dismissed[action] = max(ts_ms, dismissed.get(action, ts_ms))
        if not places.size:
            return cls({}, dismissed, session_ms, 0, 0, {}, _lately(dismissed, now_ms) if dismissed else 0)
        shown: dict[int, tuple[int, ...]] = {}
        times = []
        found = tail[places]
        for kind, action, ts_ms in zip(*(found[name].tolist() for name in ("kind", "item", "ts_ms")), strict=True):
            if kind == _DISMISSED:
                dismissed[action] = max(ts_ms, dismissed.get(action, ts_ms))
            elif kind == _SHOWN:
                shown[action] = (*shown.get(action, ()), ts_ms)
                times.append(ts_ms)
        in_session = sum(ts_ms >= session_ms for ts_ms in times)
        in_day = sum(ts_ms > now_ms - DAY_MS for ts_ms in times)
        ignored = _ignored(tail, places, session_ms)
        return cls(shown, dismissed, session_ms, in_session, in_day, ignored, _lately(dismissed, now_ms))


def session_and_messages(tail: Records, now_ms: int) -> tuple[int, npt.NDArray[np.int64]]:
    """Where the session begins that now belongs to (features.tail.session_begin), and the places of messages shown,
    clicked or dismissed."""
    places = np.empty(tail.size, np.int64)
    begin, count = _session_and_messages(as_read(tail), now_ms, places)
    return begin, places[:count]


@numba.njit(cache=True, nogil=True)
def _session_and_messages(records, now_ms, places):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(records.size):
        kind = records[i].kind
        if kind in (_SHOWN, _CLICKED, _DISMISSED):
            places[count] = i
            count += 1
    at = records.size
    latest_ms = now_ms
    while at > 0 and latest_ms - records[at - 1].ts_ms <= SESSION_GAP_MS:
        at -= 1
        latest_ms = records[at].ts_ms
    return at, count


def _lately(dismissed: Mapping[int, int], now_ms: int) -> int:
    return sum(ts_ms > now_ms - 30 * DAY_MS for ts_ms in dismissed.values())


def _ignored(tail: Records, places: npt.NDArray[np.int64], session_ms: int) -> dict[int, tuple[int, ...]]:
    """When each action was last shown in each session before `session_ms` that neither clicked nor dismissed it."""
    session_of = np.cumsum(session_starts(tail["ts_ms"]))[places].tolist()
    found = tail[places]
    last: dict[tuple[int, int], int] = {}
    heeded = set()
    rows = zip(session_of, *(found[name].tolist() for name in ("kind", "item", "ts_ms")), strict=True)
    for session, kind, action, ts_ms in rows:
        if kind != _SHOWN:
            heeded.add((session, action))
        elif ts_ms < session_ms:
            last[session, action] = ts_ms
    ignored: dict[int, tuple[int, ...]] = {}
    for (session, action), ts_ms in last.items():
        if (session, action) not in heeded:
            ignored[action] = (*ignored.get(action, ()), ts_ms)
    return ignored


class Variables:
    """What rules see, read when a rule first asks for it; CEL's own form of it when a rule first needs CEL itself."""

    __slots__ = ("_context", "_make", "_of")

    def __init__(self, make: Callable[[], dict[str, dict[str, Any]]]) -> None:
        self._make = make
        self._of: dict[str, dict[str, Any]] | None = None
        self._context: cel.Context | None = None

    @property
    def of(self) -> dict[str, dict[str, Any]]:
        """By variable and field."""
        if self._of is None:
            self._of = self._make()
        return self._of

    def satisfy(self, rule: Rule) -> bool:
        """Whether a rule holds. Raises KeyError where what it needs is unknown, other exceptions where it fails."""
        said = rule.quick(self.of) if rule.quick is not None else None
        return said if said is not None else holds(rule, self.context)

    @property
    def context(self) -> cel.Context:
        """As CEL reads it."""
        if self._context is None:
            self._context = cel.Context(variables=self.of)
        return self._context


class Moment(msgspec.Struct, frozen=True):
    """Everything gates look at. granted: purposes the visitor allows. locale: of the content; "" if none fits.

    found: products of recommend actions that were looked for already, by the action's hash.
    """

    inputs: Inputs
    policy: Policy
    granted: tuple[str, ...]
    locale: str
    tail: Records
    vector: Vector
    scores: Scores
    stage: str
    history: History
    variables: Variables
    found: dict[int, tuple[Suggestion, ...]] = msgspec.field(default_factory=dict)

    def offers(self, action: Action) -> tuple[Suggestion, ...]:
        """The products that a recommend action would show."""
        if action.recommend is None:
            return ()
        if action.hash not in self.found:
            self.found[action.hash] = offers(action.recommend, self.inputs, self.tail)
        return self.found[action.hash]

    @property
    def weariness(self) -> float:
        """By what an interruption costs more: for what was shown in this session and dismissed in 30 days."""
        history = self.history
        return 1.0 + history.shown_in_session + self.policy.dismissal_weight * history.dismissed_30d

    @classmethod
    def of(cls, inputs: Inputs, policy: Policy, tail: Records, vector: Vector, scores: Scores) -> "Moment":
        """The moment of a visitor whose state is known."""
        stage = scores.stage_name
        history = History.of(tail, inputs.now_ms, refused(inputs))
        variables = Variables(lambda: rule_variables(policy, inputs, vector, scores, stage))
        locale = locale_of(policy, inputs.context.locale)
        return cls(inputs, policy, granted(inputs, policy), locale, tail, vector, scores, stage, history, variables)


def refused(inputs: Inputs) -> Iterable[tuple[int, int]]:
    """Dismissals that were kept, and those the request tells of: as if said now."""
    told = inputs.context.dismissed
    return (*inputs.dismissed, *((hash64(action), inputs.now_ms) for action in told)) if told else inputs.dismissed


def granted(inputs: Inputs, policy: Policy) -> tuple[str, ...]:
    """The purposes the visitor allows: what the request says, else what the policy assumes."""
    return policy.assumed_consent if inputs.consent is None else inputs.consent


def locale_of(policy: Policy, asked: str) -> str:
    """The shop's locale for what a page asks: the same, else of the same language; its first if nothing is asked."""
    asked = asked.replace("_", "-")
    if not asked:
        return policy.locales[0]
    if asked in policy.locales:
        return asked
    language = asked.partition("-")[0].lower()
    return next((locale for locale in policy.locales if locale.partition("-")[0] == language), "")


def rule_variables(
    policy: Policy, inputs: Inputs, vector: Vector, scores: Scores, stage: str
) -> dict[str, dict[str, Any]]:
    """What the rules at the page's placements mention, by variable and field; what is unknown is left out."""
    if len(inputs.placements) == 1:
        names = policy.names_at.get(inputs.placements[0], ())
    else:
        names = tuple({name: None for placement in inputs.placements for name in policy.names_at.get(placement, ())})
    variables: dict[str, dict[str, Any]] = {variable: {} for variable, _ in names}
    for name in names:
        value = _value(name, policy, inputs, vector, scores, stage)
        if value is not None:
            variables[name[0]][name[1]] = value
    return variables


def _value(name: Name, policy: Policy, inputs: Inputs, vector: Vector, scores: Scores, stage: str) -> Any:
    """The value of a name a rule can mention; None where unknown."""
    variable, field = name
    if variable == "event":
        return _event_value(field, inputs, vector)
    if variable == "stage":
        return stage if field == "name" else float(scores.stage[STAGES.index(field)])
    if variable == "intent":
        return float(scores.intent[INTENTS.index(field)])
    if name == PERSONA:
        return inputs.persona or None
    if name == ATTRIBUTES:
        return {key: _decimal(given) for key, given in inputs.attributes.items()}
    if name in LOCAL_TIME:
        at = local_time(inputs.now_ms, policy.timezone)
        return float(at.hour if field == "hour" else at.weekday())
    known = _item_value(field, inputs.product) if variable == "item" and field in ITEM_NAMES else None
    return known if known is not None else _feature_value(name, vector)


def _decimal(given: str | float | bool) -> str | float | bool:
    """Numbers are decimals in a rule, however they were written."""
    return given if isinstance(given, str | bool) else float(given)


def _feature_value(name: Name, vector: Vector) -> float | bool | None:
    place = FEATURE_NAMES.get(name)
    number = float(vector[place]) if place is not None else float("nan")
    if number != number:
        return None
    return number == 1.0 if name in FLAGS else number


def _event_value(field: str, inputs: Inputs, vector: Vector) -> str | None:
    if field == "name":
        code = float(vector[_EVENT_KIND])
        return KINDS[int(code)] if code == code else None
    text: str = getattr(inputs.context, field)
    return text or None


def _item_value(field: str, product: Product | None) -> float | str | None:
    """A catalog fact of the page's product."""
    if product is None:
        return None
    if field == "stock":
        return float(product.stock) if product.stock >= 0 else None
    if field == "in_store_stock":
        return float(sum(product.stores.values())) if product.stores else None
    if field == "category":
        return product.category or None
    number = getattr(product, field)
    return None if number is None else float(number)
