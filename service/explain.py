"""What can be asked of a decision afterwards: why, and the same again. Slow enough for a thread."""

from typing import Any, Final

import msgspec

from models import receipt as receipts
from models.bundle import Bundle, InvalidBundle
from models.policy import PolicyError
from models.policy_terms import Policy
from models.receipt import BundleGone, DrawsGone, FeaturesGone, InvalidReceipt, PolicyGone, Receipt
from models.registry import UnknownBundle
from service.bundle_watcher import Watcher
from service.errors import Problem

_CROCKFORD: Final = {letter: value for value, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_TIME_LETTERS: Final = 10


def made_ms(decision_id: str) -> int:
    """The Unix time in a decision's id. Raises ValueError for what is no decision id."""
    number = 0
    for letter in decision_id[:_TIME_LETTERS]:
        if letter not in _CROCKFORD:
            raise ValueError(f"{letter!r} stands in no decision id")
        number = number << 5 | _CROCKFORD[letter]
    return number


def as_json(data: bytes) -> bytes:
    """The receipt with a name beside each value. Raises Problem receipt_unreadable."""
    try:
        return receipts.spelled(data)
    except InvalidReceipt as error:
        raise Problem("receipt_unreadable", f"{error}.") from None


def why(watcher: Watcher, data: bytes, action: str) -> bytes:
    """JSON: gates and factors of every candidate and what moved the scores; with `action`, why (not) that one.

    Raises Problem unknown_action, receipt_unreadable. Without the decision's bundle the contributions are left out.
    """
    receipt = _decoded(data)
    if action:
        try:
            return msgspec.json.encode(receipts.why(receipt, action))
        except LookupError as error:
            considered = sorted({candidate.action for chosen in receipt.chosen for candidate in chosen.candidates})
            detail = f"{error.args[0]}; considered were {', '.join(considered) or 'none'}."
            raise Problem("unknown_action", detail) from None
    explained: dict[str, Any] = receipts.why(receipt)
    bundle = _find_bundle(watcher, receipt.bundle) if receipt.bundle else None
    explained["contributions"] = receipts.explain(receipt, bundle) if bundle is not None else None
    return msgspec.json.encode(explained)


def replayed(watcher: Watcher, data: bytes) -> bytes:
    """JSON: whether the decision, made again, is identical.

    Raises Problem bundle_gone, policy_gone, receipt_unreadable.
    """

    def find_bundle(bundle_id: str) -> Bundle | None:
        return _find_bundle(watcher, bundle_id)

    def find_policy(version: str) -> Policy | None:
        try:
            return watcher.find_policy(version)
        except (KeyError, PolicyError):  # one that this version no longer takes is as good as gone
            return None

    receipt = _decoded(data)
    try:
        result = receipts.replay(receipt, find_bundle, find_policy, watcher.find_draws)
    except (BundleGone, FeaturesGone) as gone:  # a bundle of another feature table does not load either
        raise Problem("bundle_gone", f"{gone}.") from None
    except (PolicyGone, DrawsGone) as gone:
        raise Problem("policy_gone", f"{gone}.") from None
    return msgspec.json.encode(
        {
            "decision_id": receipt.decision_id,
            "identical": result.identical,
            "differs": result.differs,
            "answer": msgspec.Raw(result.answer),
            "expected": msgspec.Raw(result.expected),
        }
    )


def _decoded(data: bytes) -> Receipt:
    try:
        return receipts.decode(data)
    except InvalidReceipt as error:
        raise Problem("receipt_unreadable", f"{error}.") from None


def _find_bundle(watcher: Watcher, bundle_id: str) -> Bundle | None:
    try:
        return watcher.find_bundle(bundle_id)
    except (UnknownBundle, InvalidBundle):
        return None
