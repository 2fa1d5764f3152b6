"""What was promoted in a shop and may be rolled back, by the audit log; and how a policy or draws take their place.

* NothingPromoted   there is nothing to go back to; says why
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from models.arbitration import Draws, prior_draws
from models.policy import PolicyError, load_policy
from models.policy_terms import Policy
from models.posterior import Posterior
from service import audit, draws_store, policy_files, snapshots, teacher
from service.audit import Entry
from service.draws_store import ARCHIVE, DrawsFacts
from service.learner import CHECKPOINT
from service.settings import Settings
from service.snapshots import InvalidSnapshot
from tact.audited import note
from tact.policies import live_file
from training import candidate as candidates
from training.candidate import Candidate, Facts

PROMOTE, ROLLBACK = "promote", "rollback"
POLICY, DRAWS, BUNDLE = "policy", "draws", "bundle"
POLICIES: Final = "policies-archive"


class NothingPromoted(ValueError):
    """There is nothing to go back to."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A shop's live policy with its draws, and whether those are learned."""

    policy: Policy
    draws: Draws
    learned: bool

    @classmethod
    def of(cls, settings: Settings, policy: Policy) -> "Serving":
        """What serves now. Damaged or outdated draws serve nobody: then it is the priors'."""
        try:
            found = draws_store.load(settings.live, policy.shop)
        except InvalidSnapshot:
            found = None
        if found is None or not found.fit(policy):
            return cls(policy, prior_draws(policy), False)
        return cls(policy, found.draws, True)


def standing(entries: Iterable[Entry], shop: str) -> list[Entry]:
    """The promotions of a shop that were not rolled back, oldest first."""
    stack: list[Entry] = []
    for entry in entries:
        if entry.shop != shop or entry.target not in (POLICY, DRAWS):
            continue
        if entry.what == PROMOTE:
            stack.append(entry)
        elif entry.what == ROLLBACK and stack and (stack[-1].after, stack[-1].before) == (entry.before, entry.after):
            stack.pop()
    return stack


def put_policy(settings: Settings, shop: str, data: bytes, suffix: str) -> None:
    """Makes a file the shop's live policy; running services take it up within a second. Raises OSError."""
    policy_files.put(settings.policies, settings.home / POLICIES, shop, data, suffix)


def put_draws(settings: Settings, policy: Policy, found: Candidate, source: str) -> str:
    """Makes draws the shop's, and leaves their sums for the learner to go on from. Returns their id. Raises OSError.

    Of another version of the policy than the live one, they are drawn anew for it.
    """
    fitting = found if found.fits(policy) else Candidate.of(policy, found.posterior)
    facts = fitting.facts
    about = (facts.draws, policy.shop, policy.version, facts.actions, facts.trials, facts.until_ms, facts.width, source)
    draws_store.publish_start(settings.live, policy.shop, found.posterior.to_arrays(), found.facts.terms)
    draws_store.publish(settings.live, settings.home / ARCHIVE, fitting.draws, DrawsFacts(*about))
    return facts.draws


def keep_draws(settings: Settings, now: Serving) -> None:
    """Keeps the live draws with what the learner knew at its last checkpoint, for a way back."""
    policy = now.policy
    posterior = _learned(settings, policy.shop) or Posterior(policy.half_life_days)
    actions = tuple(action.id for action in policy.actions)
    about = (policy.shop, policy.version, now.draws.id, actions, policy.terms)
    Candidate(now.draws, posterior, Facts(*about, posterior.trials, 0, posterior.as_of_ms)).write(
        _kept(settings, now.draws.id)
    )


def _kept(settings: Settings, draws_id: str) -> Path:
    return settings.home / ARCHIVE / "candidates" / draws_id


def _learned(settings: Settings, shop: str) -> Posterior | None:
    try:
        snapshot = snapshots.load(settings.live / CHECKPOINT)
        arrays = teacher.learned(snapshot.arrays, shop) if snapshot is not None else None
        return Posterior.from_arrays(arrays) if arrays is not None else None
    except (InvalidSnapshot, KeyError, ValueError, msgspec.MsgspecError):
        return None


def roll_back(settings: Settings, shop: str, why: str) -> Entry:
    """Undoes the shop's latest promotion that stands. Returns it. Raises NothingPromoted, TamperedAudit, OSError."""
    stack = standing(audit.read(settings.home), shop)
    if not stack:
        raise NothingPromoted(f"nothing was promoted in shop {shop!r} that was not rolled back")
    last = stack[-1]
    before, after = (_policy_back if last.target == POLICY else _draws_back)(settings, last)
    note(settings, ROLLBACK, shop, last.target, (before, after), why)
    return msgspec.structs.replace(last, before=before, after=after)


def _policy_back(settings: Settings, last: Entry) -> tuple[str, str]:
    """The policy before a promotion or, where the file was changed by hand since, the promoted one."""
    now = _live_version(settings, last.shop)
    then = last.before if now == last.after else last.after
    if not then:
        raise NothingPromoted(f"{now} is the first policy of shop {last.shop!r}: there is none before it")
    try:
        data, suffix = policy_files.replaced(settings.home / POLICIES, then)
    except KeyError as error:
        raise NothingPromoted(f"policy {then} is not in {settings.home / POLICIES} any more") from error
    put_policy(settings, last.shop, data, suffix)
    return now, then


def _draws_back(settings: Settings, last: Entry) -> tuple[str, str]:
    path = live_file(settings, last.shop)
    if path is None:
        raise NothingPromoted(f"shop {last.shop!r} has no policy any more that draws could be of")
    policy = load_policy(policy_files.read(path), str(path))
    try:
        found = candidates.read(_kept(settings, last.before))
    except candidates.InvalidCandidate as error:
        raise NothingPromoted(f"the draws before are gone: {error}") from error
    put_draws(settings, policy, found, "learned")
    return last.after, last.before


def _live_version(settings: Settings, shop: str) -> str:
    """The version of the live file; "" if there is none or it is refused."""
    path = live_file(settings, shop)
    try:
        return load_policy(policy_files.read(path), str(path)).version if path is not None else ""
    except (PolicyError, OSError):
        return ""
