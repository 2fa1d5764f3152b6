"""Before the first request: what numba keeps on disk is loaded, what it does not have is compiled."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog
from msgspec import structs

from features.catalog import Catalog, Product
from features.events import Row
from features.record import pack
from features.schema import N_FEATURES
from models.arbitration import prior_draws
from models.bundle import Scores
from models.calibration import Calibration
from models.decision import Known, answer, decide
from models.inputs import Inputs
from models.intent import INTENTS
from models.item_index import ItemIndex
from models.panel import Panel
from models.policy import load_policy
from models.receipt import decode, encode, replay, why
from models.recommend import Recommender
from models.scorer import ConstantScorer
from models.session_index import SessionIndex
from models.stage import STAGES
from service.decide import Seen, inputs_of
from service.needs import Needs
from service.shop_live import Live
from service.suggest import Rankings, rank
from service.wire import PURPOSES, DecisionRequest, RequestContext

_log = structlog.get_logger("tact.service")
NOW_MS: Final = 1_700_000_000_000
_ID: Final = "0" * 26 + "-00"
_POLICY: Final = """
shop: warm
locales: [en]
placements:
  - {id: page.place, kinds: [badge]}
  - {id: page.other, kinds: [badge]}
actions:
  - id: one
    kind: badge
    placements: [page.place, page.other]
    value: 1
    when: session.views >= 1.0
    content: {en: {title: One}}
"""


class _Even:
    """Scores of constant models, by the same compiled pass as a bundle's."""

    id = "warm"

    def __init__(self) -> None:
        rates = (np.full(len(STAGES), 1 / len(STAGES)), *(np.full(1, 0.5) for _ in INTENTS))
        self._panel = Panel.of([(ConstantScorer(r, N_FEATURES), Calibration.identity(r.size)) for r in rates])

    def score(self, vector: npt.NDArray[np.float32]) -> Scores:
        assert self._panel is not None
        said, named = self._panel.score(vector)
        return Scores(said[: len(STAGES)], said[len(STAGES) :], named)


def warm_up(shops: Iterable[Live]) -> None:
    """A made-up shop's decision and one of each real shop, as requests have them made, explained and replayed."""
    for live in (_made_up(), *shops):
        placements = [placement.id for placement in live.policy.placements]
        for asked in [placements] if len(placements) == 1 else [placements[:1], placements]:
            if asked:
                _decide(live, asked)


def _made_up() -> Live:
    policy = load_policy(_POLICY, "warm.yaml")
    catalog = Catalog.of([Product("a", price=1.0, category="c")])
    return Live(
        shop=policy.shop,
        bundle=None,
        policy=policy,
        has_policy=True,
        draws=prior_draws(policy),
        catalog=catalog,
        recommender=Recommender.of(_index()),
        needs={placement.id: Needs(frozenset((False, True)), at_most=9) for placement in policy.placements},
    )


def _index() -> ItemIndex:
    """Of two products that were looked at together."""
    index = SessionIndex()
    index.learn(["a", "b"], [1, 1], [NOW_MS, NOW_MS + 1000])
    return index.index()


def _decide(live: Live, placements: list[str]) -> None:
    """One placement is settled another way than several (models/one_place.py)."""
    kinds = ("view_item", "add_to_cart")
    records = pack(
        Row(live.shop, "v", f"e{i}", NOW_MS + i, kind, item_id="a", received_ms=NOW_MS) for i, kind in enumerate(kinds)
    )
    request = DecisionRequest(
        visitor_id="v",
        placements=placements,
        context=RequestContext(page_type="product", item_id="a", consent=list(PURPOSES)),
    )
    inputs = inputs_of(request, live, NOW_MS + len(kinds), _ID, Seen(records.tobytes(), {}))
    scores = live.bundle if live.bundle is not None else _Even()
    known = Known.of(inputs, scores)
    found = _ranked(inputs, known, live)
    inputs = structs.replace(
        inputs, recommended=found.get(False, ()), returning=found.get(True, ()), degraded_because=""
    )
    decision = decide(inputs, scores, live.policy, live.draws, known)
    receipt = decode(encode(decision, answer(decision)))
    why(receipt)
    replay(receipt, lambda _: scores, lambda _: live.policy, lambda _: live.draws)


def _ranked(inputs: Inputs, known: Known, live: Live) -> Rankings:
    """Nothing where ranking fails: decisions do without it, and so does a start."""
    try:
        return rank(inputs, known, live)
    except Exception as error:  # noqa: BLE001  # whatever a bundle holds
        _log.error("ranking_failed", shop=live.shop, exc_info=error)
        return {}
