"""Receipts: what a decision was made from and what came of it, as bytes that replay to the same answer.

* InvalidReceipt   the bytes are no receipt of this version
* BundleGone       the bundle the decision was made with is not there any more; names it
* PolicyGone       the same for the policy's version
* DrawsGone        the same for the draws
* FeaturesGone     the decision was made from another feature table than this code's: only that version replays it
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec
import numba
import numpy as np
import numpy.typing as npt
from msgspec import structs

from features.catalog import FACTS, Facts
from features.schema import FINGERPRINT, INDEX, N_FEATURES
from models.answer import answer
from models.arbitration import Draws, prior_draws
from models.chosen import Candidate, Chosen, Decision
from models.decision import Scoring, decide
from models.inputs import Inputs
from models.intent import INTENTS
from models.leave_level import NO_LINE, STEPS
from models.many import decide_many
from models.policy import empty_policy
from models.policy_terms import Policy
from models.receipt_form import is_spelled, reader
from models.rules import FEATURE_NAMES, mentioned
from models.stage import STAGES

VERSION: Final = 1
_INTENTS_BEFORE: Final = ("buy", "leave", "help")
"""What scores of three intents, in receipts written before there was `cart`, are of."""
Vector = npt.NDArray[np.float32]
C = TypeVar("C", bound=Chosen)


class InvalidReceipt(ValueError):
    """Bytes that are no receipt, or one of a version this code does not read."""


class Gone(LookupError):
    """Something a replay needs is not there any more. id: of what is gone."""

    what = "part"

    def __init__(self, identifier: str) -> None:
        super().__init__(f"{self.what} {identifier} is gone: the decision cannot be replayed")
        self.id = identifier


class BundleGone(Gone):
    what = "bundle"


class PolicyGone(Gone):
    what = "policy"


class DrawsGone(Gone):
    what = "draws"


class FeaturesGone(Gone):
    what = "feature table"


@numba.njit(cache=True, nogil=True)
def _cut(facts, rows, used, places, table):  # type: ignore[no-untyped-def]
    """The rows of facts that are in use, row 0 and then the others as they rise, into `table`; where each of `rows` is
    in it, into places. How many there are."""
    used[0] = 0
    used[1:] = rows
    used.sort()
    count = 1
    for i in range(1, used.size):
        if used[i] != used[count - 1]:
            used[count] = used[i]
            count += 1
    for i in range(count):
        table[i] = facts[used[i]]
    for i in range(rows.size):
        places[i] = np.searchsorted(used[:count], rows[i])
    return count


class KeptFacts(msgspec.Struct, frozen=True):
    """Facts as bytes, cut to the rows the tail uses. table: float32 (m, len(FACTS)); rows: int32 (n,)."""

    table: bytes
    rows: bytes

    @classmethod
    def of(cls, facts: Facts) -> "KeptFacts":
        used, places = np.empty(facts.rows.size + 1, np.int32), np.empty(facts.rows.size, np.int32)
        table = np.empty((used.size, facts.table.shape[1]), np.float32)
        count = _cut(facts.table, facts.rows, used, places, table)
        return cls(table[:count].astype("<f4", copy=False).tobytes(), places.astype("<i4", copy=False).tobytes())

    def facts(self) -> Facts:
        return Facts(np.frombuffer(self.table, "<f4").reshape(-1, len(FACTS)), np.frombuffer(self.rows, "<i4"))


class KeptScores(msgspec.Struct, frozen=True):
    """Scores as numbers, in the order of STAGES and INTENTS."""

    stage: tuple[float, ...]
    intent: tuple[float, ...]


class Receipt(msgspec.Struct, frozen=True):
    """A decision with what it was made from. bundle and draws are "" and vector and scores None where degraded.

    arm: the visitor's. weariness: by which costs were multiplied. features: fingerprint of the feature table. vector:
    float32, little-endian. answer: the JSON body as it was sent.
    """

    version: int
    decision_id: str
    shop: str
    visitor_id: str
    ts_ms: int
    bundle: str
    policy: str
    draws: str
    features: str
    stage: str
    degraded_because: str
    inputs: Inputs
    facts: KeptFacts | None
    vector: bytes | None
    scores: KeptScores | None
    chosen: tuple[Chosen, ...]
    answer: bytes
    arm: str = "full"
    weariness: float = 1.0

    @property
    def numbers(self) -> Vector | None:
        """The vector as an array; None where degraded."""
        return None if self.vector is None else np.frombuffer(self.vector, "<f4")


class _SpelledCandidate(Candidate, frozen=True, array_like=False):
    pass


class _SpelledChosen(Chosen, frozen=True):
    candidates: tuple[_SpelledCandidate, ...] = ()


class _Spelled(Receipt, frozen=True):
    """A receipt as its JSON is: a candidate's values by name, the answer as it is."""

    chosen: tuple[_SpelledChosen, ...]
    answer: msgspec.Raw

    @classmethod
    def of(cls, receipt: Receipt) -> "_Spelled":
        chosen = tuple(_other(one, _SpelledChosen, _SpelledCandidate) for one in receipt.chosen)
        return cls(**structs.asdict(receipt) | {"chosen": chosen, "answer": msgspec.Raw(receipt.answer)})

    def receipt(self) -> Receipt:
        chosen = tuple(_other(one, Chosen, Candidate) for one in self.chosen)
        return Receipt(**structs.asdict(self) | {"chosen": chosen, "answer": bytes(self.answer)})


def _other(chosen: Chosen, kind: type[C], candidate: type[Candidate]) -> C:
    """What a placement got in the types of the other form."""
    candidates = tuple(candidate(*structs.astuple(one)) for one in chosen.candidates)
    return kind(**structs.asdict(chosen) | {"candidates": candidates})


_read = reader(Receipt, _Spelled)
_pack = msgspec.msgpack.Encoder().encode


def encode(decision: Decision, body: bytes | None = None) -> bytes:
    """The receipt of a decision. body: its answer, if it is at hand already."""
    inputs, scores = decision.inputs, decision.scores
    receipt = Receipt(
        version=VERSION,
        decision_id=inputs.decision_id,
        shop=inputs.shop,
        visitor_id=inputs.visitor_id,
        ts_ms=inputs.now_ms,
        bundle=decision.bundle_id,
        policy=decision.policy.version,
        draws=decision.draws_id,
        features=FINGERPRINT,
        stage=decision.stage,
        degraded_because=decision.degraded_because,
        inputs=inputs if inputs.facts is None else structs.replace(inputs, facts=None),
        facts=None if inputs.facts is None or decision.vector is None else KeptFacts.of(inputs.facts),
        vector=None if decision.vector is None else decision.vector.astype("<f4", copy=False).tobytes(),
        scores=None if scores is None else KeptScores(tuple(scores.stage.tolist()), tuple(scores.intent.tolist())),
        chosen=decision.chosen,
        answer=body if body is not None else answer(decision),
        arm=decision.arm,
        weariness=decision.weariness,
    )
    return _pack(receipt)


def decode(data: bytes) -> Receipt:
    """The receipt in its bytes, of either form (models/receipt_form.py). Raises InvalidReceipt."""
    try:
        found = _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as bad:
        raise InvalidReceipt(f"not a receipt: {bad}") from bad
    receipt = found.receipt() if isinstance(found, _Spelled) else found
    if receipt.version != VERSION:
        raise InvalidReceipt(f"the receipt is of version {receipt.version}; this reads {VERSION}")
    return receipt


def spelled(data: bytes) -> bytes:
    """A receipt's bytes as JSON. Raises InvalidReceipt."""
    return data if is_spelled(data) else msgspec.json.encode(_Spelled.of(decode(data)))


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay gave. differs: which of answer, vector, scores and propensities are not the same."""

    identical: bool
    differs: tuple[str, ...]
    answer: bytes
    expected: bytes


FindBundle = Callable[[str], Scoring | None]
FindPolicy = Callable[[str], Policy | None]
FindDraws = Callable[[str], Draws | None]


def replay(
    receipt: Receipt, find_bundle: FindBundle, find_policy: FindPolicy, find_draws: FindDraws | None = None
) -> ReplayResult:
    """Decides again from the receipt and compares byte for byte. Raises BundleGone, PolicyGone, DrawsGone,
    FeaturesGone.

    find_draws: learned draws by id; where it is left out or finds none, those of the policy's priors are tried.
    """
    inputs = _inputs(receipt)
    bundle, policy, draws = _parts(receipt, find_bundle, find_policy, find_draws)
    return _compared(receipt, decide(inputs, bundle, policy, draws))


def replay_many(
    receipts: Sequence[Receipt], find_bundle: FindBundle, find_policy: FindPolicy, find_draws: FindDraws | None = None
) -> list[ReplayResult | Gone]:
    """The same of each receipt, those made from the same parts together; what is gone in place of raising it."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, receipt in enumerate(receipts):
        made_of = receipt.shop, receipt.bundle, receipt.policy, receipt.draws, receipt.features
        alike.setdefault(made_of, []).append(place)
    found: dict[int, ReplayResult | Gone] = {}
    for places in alike.values():
        try:
            inputs = [_inputs(receipts[place]) for place in places]
            bundle, policy, draws = _parts(receipts[places[0]], find_bundle, find_policy, find_draws)
        except Gone as gone:
            found |= dict.fromkeys(places, gone)
            continue
        for place, again in zip(places, decide_many(inputs, bundle, policy, draws), strict=True):
            found[place] = _compared(receipts[place], again)
    return [found[place] for place in range(len(receipts))]


def _inputs(receipt: Receipt) -> Inputs:
    """What the decision was made from, besides bundle, policy and draws. Raises FeaturesGone."""
    if receipt.vector is not None and receipt.features != FINGERPRINT:
        raise FeaturesGone(receipt.features)
    return structs.replace(receipt.inputs, facts=receipt.facts.facts() if receipt.facts else None)


def _parts(
    receipt: Receipt, find_bundle: FindBundle, find_policy: FindPolicy, find_draws: FindDraws | None
) -> tuple[Scoring | None, Policy, Draws]:
    """Bundle, policy and draws. Raises PolicyGone, BundleGone, DrawsGone."""
    policy = empty_policy(receipt.shop) if receipt.policy == "none" else find_policy(receipt.policy)
    if policy is None:
        raise PolicyGone(receipt.policy)
    bundle = find_bundle(receipt.bundle) if receipt.bundle else None
    if receipt.bundle and bundle is None:
        raise BundleGone(receipt.bundle)
    return bundle, policy, _draws(receipt, policy, find_draws)


def _compared(receipt: Receipt, decision: Decision) -> ReplayResult:
    again = decode(encode(decision))
    pairs: dict[str, tuple[object, object]] = {
        "answer": (again.answer, receipt.answer),
        "vector": (again.vector, receipt.vector),
        "scores": (again.scores, receipt.scores),
        "propensities": (again.chosen, receipt.chosen),
    }
    differs = tuple(name for name, (now, then) in pairs.items() if now != then)
    return ReplayResult(not differs, differs, again.answer, receipt.answer)


def _draws(receipt: Receipt, policy: Policy, find_draws: FindDraws | None) -> Draws:
    found = find_draws(receipt.draws) if find_draws and receipt.draws else None
    draws = found or prior_draws(policy)
    if receipt.draws and draws.id != receipt.draws:
        raise DrawsGone(receipt.draws)
    return draws


def why(receipt: Receipt, action: str | None = None) -> dict[str, Any]:
    """Why each placement got what it got, every candidate beside silence; with `action`, why that one did (not) show.

    Raises LookupError where no placement of the decision considered the action.
    """
    if action is not None:
        return _why_action(receipt, action)
    scores, line = receipt.scores, receipt.inputs.leave_line
    return {
        "decision_id": receipt.decision_id,
        "ts_ms": receipt.ts_ms,
        "bundle": receipt.bundle or None,
        "policy": receipt.policy,
        "arm": receipt.arm,
        "stage_named": receipt.stage or None,
        "weariness": receipt.weariness,
        "degraded_because": receipt.degraded_because or None,
        "stage": dict(zip(STAGES, scores.stage, strict=True)) if scores else None,
        "intent": _intents(scores) if scores else None,
        **({"leave_line": dict(zip((*STEPS, "slope"), line, strict=True))} if line != NO_LINE else {}),
        "placements": {chosen.placement: _why_placement(receipt, chosen) for chosen in receipt.chosen},
    }


def _intents(scores: KeptScores) -> dict[str, float]:
    """The intents by name, also of a receipt from before there was `cart`."""
    names = _INTENTS_BEFORE if len(scores.intent) == len(_INTENTS_BEFORE) else INTENTS
    return dict(zip(names, scores.intent, strict=True))


def _why_placement(receipt: Receipt, chosen: Chosen) -> dict[str, Any]:
    return {
        "action": chosen.action,
        "reason": chosen.reason,
        "propensity": chosen.propensity,
        "draw": chosen.draw,
        **({"withheld": chosen.withheld} if chosen.withheld else {}),
        "candidates": [_why_candidate(receipt, candidate) for candidate in chosen.candidates],
        "silence": {"net": 0.0, "share": chosen.silence_share, "propensity": chosen.silence_propensity},
    }


def _why_candidate(receipt: Receipt, candidate: Candidate) -> dict[str, Any]:
    if candidate.gate:
        shown = {"action": candidate.action, "gate": candidate.gate, "detail": candidate.detail}
        known = _known(receipt, candidate.detail) if candidate.gate in ("rule", "rule_error") else {}
        return shown | ({"values": known} if known else {})
    factors = msgspec.structs.asdict(candidate)
    dull = {"gate", "detail", *(() if candidate.apprentice else ("apprentice",))}
    return {name: value for name, value in factors.items() if name not in dull and value is not None}


def _known(receipt: Receipt, rule: str) -> dict[str, float | None]:
    """What the features a rule mentions were; None where unknown."""
    vector = receipt.numbers
    if vector is None or receipt.features != FINGERPRINT or len(vector) != N_FEATURES:
        return {}
    places = {name: FEATURE_NAMES[name] for name in mentioned(rule) if name in FEATURE_NAMES}
    return {".".join(name): _or_none(float(vector[place])) for name, place in places.items()}


def _or_none(number: float) -> float | None:
    return None if number != number else number


def _why_action(receipt: Receipt, action: str) -> dict[str, Any]:
    found = [
        {"placement": chosen.placement, "shown": chosen.action == action, **_verdict(receipt, chosen, candidate)}
        for chosen in receipt.chosen
        for candidate in chosen.candidates
        if candidate.action == action
    ]
    if not found:
        holdout = any(chosen.reason == "holdout" for chosen in receipt.chosen)
        because = "the visitor is in the holdout" if holdout else "no placement of this decision takes it"
        raise LookupError(f"{action!r} was not considered: {because}")
    return {"decision_id": receipt.decision_id, "action": action, "placements": found}


def _verdict(receipt: Receipt, chosen: Chosen, candidate: Candidate) -> dict[str, Any]:
    """One candidate's fate: shown, blocked by a gate, or beaten by another or by silence."""
    shown = _why_candidate(receipt, candidate)
    if candidate.gate:
        return {"because": f"gate {candidate.gate}: {candidate.detail}", **shown}
    if candidate.apprentice:
        won = "it would have won" if chosen.withheld == candidate.action else "it would have lost"
        return {"because": f"it is an apprentice, decided but not shown; {won}", **shown}
    if chosen.action == candidate.action:
        return {"because": f"it was chosen ({chosen.reason})", **shown}
    winner = next((c for c in chosen.candidates if c.action == chosen.action), None)
    name = chosen.action or "silence"
    return {
        "because": f"it lost to {name}",
        "lost_to": _why_candidate(receipt, winner) if winner else {"action": None, "net": 0.0},
        **shown,
    }


class Explaining(Protocol):
    """What an explanation needs of a bundle."""

    @property
    def id(self) -> str: ...

    def explain(self, vector: Vector) -> Mapping[str, Mapping[str, float]]: ...


def explain(receipt: Receipt, bundle: Explaining, top: int = 10) -> dict[str, list[dict[str, Any]]]:
    """For each stage and intent the features that moved its score most, largest first; {} where degraded.

    Each with its contribution in the model's raw score and its value. Takes milliseconds: not for the request path.
    Raises BundleGone where the bundle is not the decision's own.
    """
    vector = receipt.numbers
    if vector is None:
        return {}
    if bundle.id != receipt.bundle:
        raise BundleGone(receipt.bundle)
    if receipt.features != FINGERPRINT:
        raise FeaturesGone(receipt.features)
    return {model: _largest(parts, vector, top) for model, parts in bundle.explain(vector).items()}


def _largest(contributions: Mapping[str, float], vector: Vector, top: int) -> list[dict[str, Any]]:
    named = ((name, number) for name, number in contributions.items() if name in INDEX and number != 0.0)
    best = sorted(named, key=lambda pair: (-abs(pair[1]), pair[0]))[:top]
    return [
        {"feature": name, "contribution": round(number, 6), "value": _or_none(float(vector[INDEX[name]]))}
        for name, number in best
    ]
