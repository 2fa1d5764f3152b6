"""Which share of visitors each arm was meant to get, from the policies that receipts name."""

from collections.abc import Sequence

from models import arms
from models.policy import PolicyError
from models.policy_terms import Policy
from service.settings import Settings
from tact.receipts import Archive
from training.lift_found import SharesUnknown


def shares_of(policy: Policy) -> dict[str, float]:
    """The share of each arm that has one."""
    return {arm: share for arm, share in arms.shares_of(policy).items() if share > 0 or arm == "full"}


def shares_of_versions(settings: Settings, versions: Sequence[str]) -> dict[str, float]:
    """The shares of archived policies. Raises SharesUnknown where one is not there or they differ."""
    archive, found = Archive(settings), dict[str, dict[str, float]]()
    for version in versions:
        try:
            policy = archive.policy(version)
        except (PolicyError, OSError):
            policy = None
        if policy is None:
            raise SharesUnknown(f"policy {version} cannot be read from the archive; name its file with --policy")
        found[version] = shares_of(policy)
    different = list({tuple(shares.items()): version for version, shares in found.items()}.values())
    if not different:
        raise SharesUnknown("no decision names a policy")
    if len(different) > 1:
        raise SharesUnknown(
            f"policies {' and '.join(different[:2])} have other shares; start after the change: --since"
        )
    return found[different[0]]
