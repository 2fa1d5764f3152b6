"""The console's experiments: each arm against the holdout, as it would have been read at the end of each day."""

from collections.abc import Mapping, Sequence

from models.arms import shares_of
from models.policy import PolicyError
from training.console_queries import Asked, Json, Unanswerable
from training.lift import OUTCOMES
from training.lift_days import NoLift, evaluate
from training.lift_found import Question, SharesUnknown
from training.report_lift import notes


def experiments(asked: Asked) -> Json:
    """As `tact lift --json`, with the names of the outcomes and what else has to be known. Raises Unanswerable.

    shares: of each arm, as the live policy has them.
    """

    def shares(versions: Sequence[str]) -> Mapping[str, float]:
        return _shares_of_versions(asked, versions)

    question = Question(shop=asked.shop, since_ms=asked.since_ms, shares=shares)
    try:
        found = evaluate(asked.lake, question, progress=asked.progress)
    except NoLift as error:
        raise Unanswerable(str(error).replace(str(asked.lake), "the lake")) from None
    live = shares_of(asked.policy) if asked.policy is not None else {}
    told = {"names": dict(OUTCOMES), "notes": notes(found), "shares": live}
    return found.as_dict() | told


def _shares_of_versions(asked: Asked, versions: Sequence[str]) -> Mapping[str, float]:
    """The shares by which visitors were put into arms. Raises SharesUnknown where policies differ, or one is gone."""
    found = {}
    for version in versions:
        try:
            policy = asked.policy_of(version)
        except (PolicyError, OSError):
            policy = None
        if policy is None:
            raise SharesUnknown(f"policy {version} is no longer in the archive")
        found[version] = {arm: share for arm, share in shares_of(policy).items() if share > 0 or arm == "full"}
    different = {tuple(shares.items()) for shares in found.values()}
    if len(different) != 1:
        raise SharesUnknown("policies of that time have other shares" if different else "no decision names a policy")
    return next(iter(found.values()))
