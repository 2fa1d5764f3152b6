"""The words of a policy as frozen values: what a shop may say, where, when, to whom and at what worth.

`models.policy.load_policy` makes them from the shop's file; nothing here reads a file, a clock or a random number.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final, Literal

from models.rules import Name, Rule

PURPOSES: Final = ("analytics", "personalization", "marketing")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXCLUSIONS: Final = ("bought", "cart", "out_of_stock", "current", "viewed")
EXCLUDED: Final = EXCLUSIONS[:4]
"""What a recommend action leaves out if it does not say."""
MAX_LIFT: Final = 0.5
"""By how much the levers together can raise a product's score at most, as a share of it."""
CATALOG_FACTS: Final = ("stock", "stores", "price", "rating", "reviews")
"""What `evidence: catalog:<fact>` may name: the claim holds only while the catalog says so."""

Source = Literal["similar", "next", "recently_viewed", "popular", "new"]
SOURCES: Final[tuple[Source, ...]] = ("similar", "next", "recently_viewed", "popular", "new")
FILLED: Final = frozenset({"similar", "next"})
"""Sources after which the popular fill up a row, unless the action says otherwise."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A place on a page. max_items and max_chars: 0 is no limit."""

    id: str
    kinds: tuple[str, ...]
    max_items: int = 0
    max_chars: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a visitor reads, in one locale. `more` holds the shop's further text fields in the file's order."""

    title: str = ""
    text: str = ""
    cta: str = ""
    url: str = ""
    image: str = ""
    more: tuple[tuple[str, str], ...] = ()

    def fields(self) -> dict[str, str]:
        """The fields that are not empty, title first."""
        own = {
            "title": self.title,
            "text": self.text,
            "cta": self.cta,
            "url": self.url,
            "image": self.image,
        }
        return {name: text for name, text in (own | dict(self.more)).items() if text}


@dataclass(frozen=True, slots=True)
class Caps:
    """How often one visitor may be shown one action; None is no cap. A day is 24 hours back from now."""

    per_session: int | None = None
    per_day: int | None = None
    per_30_days: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """How many messages one visitor may be shown over all actions; None is no limit."""

    per_session: int | None = None
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an action may be shown. from_ms/to_ms: Unix time, to_ms excluded; None is open.

    weekdays: 0 is Monday. hours: minutes of the local day, the second excluded; (1320, 360) spans midnight.
    """

    timezone: tzinfo
    from_ms: int | None = None
    to_ms: int | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Something an action asserts, with what proves it. expires_ms: Unix time, None is never."""

    text: str
    evidence: str
    expires_ms: int | None = None

    @property
    def fact(self) -> str:
        """The catalog fact the claim rests on; "" if its evidence is a document."""
        kind, _, name = self.evidence.partition(":")
        return name if kind == "catalog" else ""


@dataclass(frozen=True, slots=True)
class Levers:
    """The shop's own weight on a product's margin and on what there is too much of: 0 to MAX_LIFT each."""

    margin: float = 0.0
    overstock: float = 0.0


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Prices from `low` to `high` times that of the product in question."""

    low: float = 0.0
    high: float = math.inf


@dataclass(frozen=True, slots=True)
class Recommend:
    """Which products a recommend action shows: where they come from, how many, which never, and the shop's levers.

    sources: in turn. returns: also what the visitor looked at before. fill: with popular products, up to count.
    max_per_category: 0 is no limit. near_duplicates: whether variants of a product may stand beside it.
    """

    sources: tuple[Source, ...] = ("similar",)
    count: int = 4
    exclude: tuple[str, ...] = EXCLUDED
    returns: bool = False
    fill: bool = True
    max_per_category: int = 0
    near_duplicates: bool = False
    levers: Levers = Levers()
    price_band: PriceBand | None = None

    @property
    def ranked(self) -> bool:
        """Whether it shows what the recommender ranks."""
        return bool(FILLED.intersection(self.sources))

    @property
    def in_turn(self) -> tuple[Source, ...]:
        """The sources in the order they are asked, with what fills up."""
        fills = self.fill and self.ranked and "popular" not in self.sources
        return (*self.sources, "popular") if fills else self.sources


@dataclass(frozen=True, slots=True)
class Reward:
    """What is worth how much, as a weighted sum over what a visitor does after a decision.

    order: each order. revenue: each unit of money ordered. margin: each unit of margin ordered. cart: each product put
    into the cart. click, dismissal: of the message itself; a dismissal is taken off. Refunds take off what orders gave.
    """

    order: float = 0.0
    revenue: float = 0.0
    margin: float = 0.0
    cart: float = 0.0
    click: float = 0.0
    dismissal: float = 0.0


Credit = Literal["all", "last", "position"]
CREDITS: Final[tuple[Credit, ...]] = ("all", "last", "position")
"""Which of several messages an outcome counts for: each, the one shown last, or each by how near it stood to it."""
WINDOWS: Final[Mapping[str, int]] = {"session": 0, "1d": 86_400, "7d": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Attribution:
    """How long after a decision an outcome counts, in seconds (0: to the end of its session), and for which message."""

    window_s: int = 0
    credit: Credit = "all"


@dataclass(frozen=True, slots=True)
class Arms:
    """Shares of visitors who are served otherwise, to compare with: see models/arms.py."""

    random: float = 0.01
    propensity_only: float = 0.01
    no_levers: float = 0.01
    rules_only: float = 0.01


@dataclass(frozen=True, slots=True)
class Rest:
    """A message ignored in so many sessions within a time stays away for another."""

    ignored: int
    within_days: float
    days: float


@dataclass(frozen=True, slots=True)
class Prior:
    """Belief before data: incremental probability of the outcome by stage (6 numbers), and its weight in visitors."""

    mean: tuple[float, ...]
    strength: float


@dataclass(frozen=True, slots=True)
class Action:
    """Something a shop could do. Money is in the shop's currency.

    hash: hash64 of the id, as in the records of its outcomes. stages: () is every one. reason: why a visitor sees it,
    by locale. consent: the purpose it needs, or "none". ttl_s: how long the answer stands. line: where the file has it.
    rest: after being ignored. apprentice: decided and logged, not shown. timed: the moment is chosen for each visitor;
    show_after_s is then the least.
    """

    id: str
    hash: int
    kind: str
    placements: tuple[str, ...]
    content: Mapping[str, Content]
    value: float
    cost: float
    lever: float
    prior: Prior
    stages: tuple[str, ...] = ()
    when: Rule | None = None
    caps: Caps = Caps()
    cooldown_after_dismissal_s: int = 0
    schedule: Schedule | None = None
    consent: str = "none"
    claims: tuple[Claim, ...] = ()
    recommend: Recommend | None = None
    show_after_s: float = 0.0
    ttl_s: int = 1800
    reason: Mapping[str, str] = field(default_factory=dict)
    fallback: bool = False
    line: int = 0
    rest: Rest | None = None
    apprentice: bool = False
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """One shop's policy. version: first 12 hex digits of the SHA-256 of the file's text.

    at: for each placement id, the positions in `actions` of those that may stand there, in the file's order.
    assumed_consent: the purposes granted where a request says nothing. names_at: what the rules of each placement's
    actions mention, sorted.
    chats: hashes of the chat actions: a no to one is a no to all. reward: None is an order worth the action's value.
    apprentice: of every action. dismissal_weight: how many shown messages a dismissal weighs in the cost.
    half_life_days: after which what was learned counts half. remembered: what models/page_plan.py works out once.
    """

    shop: str
    version: str
    locales: tuple[str, ...]
    placements: tuple[Placement, ...]
    actions: tuple[Action, ...]
    at: Mapping[str, tuple[int, ...]]
    timezone: tzinfo
    currency: str = "EUR"
    session_budget: Budget = Budget()
    holdout: float = 0.05
    arms: Arms = Arms()
    exploration_floor: float = 0.01
    assumed_consent: tuple[str, ...] = ()
    custom_events: tuple[str, ...] = ()
    reward: Reward | None = None
    attribution: Attribution = Attribution()
    apprentice: bool = False
    dismissal_weight: float = 2.0
    half_life_days: float = 30.0
    names_at: Mapping[str, tuple[Name, ...]] = field(default_factory=dict)
    chats: tuple[int, ...] = ()
    filename: str = ""
    remembered: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def placement(self, placement_id: str) -> Placement | None:
        """The placement of that id, or None."""
        return next((p for p in self.placements if p.id == placement_id), None)

    def action(self, action_id: str) -> Action | None:
        """The action of that id, or None."""
        found: Mapping[str, Action] | None = self.remembered.get("actions")
        if found is None:
            found = self.remembered["actions"] = {action.id: action for action in reversed(self.actions)}
        return found.get(action_id)

    def unit(self, action: Action) -> float:
        """What one unit of an action's effect is worth: its value, or 1 where the reward is money itself."""
        return action.value if self.reward is None else 1.0

    @property
    def terms(self) -> str:
        """What makes two rewards comparable, as text: their parts, and how long they are counted."""
        return f"{self.reward!r}|{self.attribution.window_s}"

    def unknown(self, placements: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the given placement ids that this policy does not have."""
        return tuple(p for p in placements if p not in self.at)
