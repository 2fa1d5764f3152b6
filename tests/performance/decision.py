"""A decision for tests/performance/test_budgets.py to count: 20 actions at one placement, a tail of 20 events.

The shop, the visitor and the model are made up here and the same on every machine: trees by a rule, not by training.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from features.catalog import Catalog
from features.fold import fold
from features.record import pack
from features.schema import N_FEATURES
from features.tail import tail_of
from load_tests.in_process import Visit, one
from models import decision, one_place
from models.arbitration import prior_draws
from models.bundle import Scores
from models.calibration import Calibration
from models.closed import Closed
from models.forest import NODE, Forest
from models.intent import INTENTS
from models.moment import Moment
from models.page_plan import Plan
from models.panel import Panel
from models.scorer import Scorer
from models.stage import STAGES
from service.metrics import Metrics
from service.settings import Settings
from service.shop_live import Live
from service.suggest import Suggester
from tests.models.deciding import NOW, PRODUCTS, Visitor, action, shop

TREES, DEPTH = 60, 5
RULES = ("session.views >= 3", "cart.value > 50.0 && !visitor.known", "event.channel == 'social' || intent.buy < 0.9")
KINDS = ("view_item", "view_item", "add_to_cart", "search", "view_promotion", "page_view")


class _Quiet:
    def begin(self) -> None:
        """Nothing is timed here."""

    def lap(self, step: str) -> None:
        """Nothing is timed here."""


class _Model:
    """Stages and intents of made-up trees, scored as a bundle's are."""

    id, timing = "0123456789abcdef", None

    def __init__(self) -> None:
        outputs = (len(STAGES), *(1 for _ in INTENTS))
        parts = [(_Trees(number), Calibration.identity(number)) for number in outputs]
        panel = Panel.of(parts)
        assert panel is not None
        self._panel = panel

    def score(self, vector: npt.NDArray[np.float32]) -> Scores:
        said, named = self._panel.score(vector)
        return Scores(said[: len(STAGES)], said[len(STAGES) :], named)


class _Trees(Scorer):
    """A scorer of made-up trees: a real one is read from a trained model's text."""

    def __init__(self, outputs: int) -> None:
        self.forest, self._outputs = _forest(outputs), outputs

    @property
    def outputs(self) -> int:
        return self._outputs


def _forest(outputs: int) -> Forest:
    """Whole binary trees, every split on another feature."""
    inner, leaves = 2**DEPTH - 1, 2**DEPTH
    nodes = np.zeros(TREES * inner, NODE)
    for tree in range(TREES):
        for at in range(inner):
            first = tree * inner
            low, high = 2 * at + 1, 2 * at + 2
            ends = [first + child if child < inner else -1 - (tree * leaves + child - inner) for child in (low, high)]
            nodes[first + at] = (float(at % 7), (13 * tree + 5 * at) % N_FEATURES, at % 2, at % 3 == 0, *ends)
    leaf = np.sin(np.arange(TREES * leaves)) / 10
    return Forest((), nodes, np.arange(TREES, dtype=np.int32) * inner, leaf, outputs)


def _actions() -> list[dict[str, object]]:
    made = []
    for i in range(20):
        fields: dict[str, object] = {"value": 5 + i}
        if i % 3 == 0:
            fields["when"] = RULES[i // 3 % len(RULES)]
        if i % 4 == 1:
            fields["stages"] = [STAGES[i % len(STAGES)]]
        if i % 5 == 2:
            fields["caps"] = {"per_session": 2}
        made.append(action(f"a{i}", **fields))
    return made


def prepared() -> tuple[Visit, Live]:
    """A visitor with 20 events on a product page of the shop."""
    policy = shop(*_actions())
    visitor = Visitor()
    for i in range(20):
        kind = KINDS[i % len(KINDS)]
        visitor = visitor.did(kind, 30.0 - i, item_id=f"p{i % 5}", price=10.0 + i, action=f"a{i % 4}", query="tent")
    body = b'{"visitor_id":"v1","placements":["top"],"context":{"page_type":"product","item_id":"p2","locale":"en"}}'
    live = Live(
        shop=policy.shop,
        bundle=_Model(),  # type: ignore[arg-type]
        policy=policy,
        has_policy=True,
        draws=prior_draws(policy),
        catalog=Catalog.of(PRODUCTS),
    )
    return Visit(body, pack(visitor.rows).tobytes()), live


def full() -> Callable[[], object]:
    """From the body's bytes to the answer's and the receipt's."""
    visit, live = prepared()
    settings, suggester = Settings(), Suggester(Metrics())
    return lambda: one(visit, live, settings, suggester, NOW, _Quiet(), lambda size: b"\1" * size)


def scores() -> Callable[[], object]:
    """What of it is the vector and the scores."""
    visit, live = prepared()
    tail = tail_of(visit.tail)
    facts, model = live.catalog.facts(tail), _Model()
    return lambda: model.score(fold(tail, NOW, facts))


def slower_in_python() -> Callable[[], object]:
    """The decision with every gate asked twice."""
    ask = decision.closed_gates

    def twice(plan: Plan, moment: Moment) -> list[Closed | None]:
        ask(plan, moment)
        return ask(plan, moment)

    decision.closed_gates = twice
    return full()


def slower_when_compiled() -> Callable[[], object]:
    """The decision with the worth of each action worked out twice in every draw."""
    work, settle = full(), one_place.settle

    def again(*given: object) -> object:
        settle(*given)
        return settle(*given)

    one_place.settle = again
    return work
