"""What `tact promote` is asked to let go live, beside what is live: a policy file, draws, or uplift models."""

from dataclasses import dataclass
from pathlib import Path

from models import bundle as bundles
from models.bundle import MANIFEST, Bundle, InvalidBundle
from models.policy_terms import Policy
from models.registry import Registry
from service import policy_files
from service.settings import Settings
from tact.console import fail
from tact.learning import told_plainly
from tact.policies import live_file, policy_of_file
from tact.promotions import BUNDLE, DRAWS, POLICY, Serving
from training import candidate as candidates
from training.candidate import Candidate
from training.gate_policy import Side, carried
from training.uplift_bundle import LEARNED_FROM, differ_by_uplift_alone


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be promoted: a policy, as its file has it, or draws, or the bundle in `folder` for its uplift models.

    live: None for a shop's first policy. live_bundle: None where nothing is live, or it cannot be loaded any more.
    """

    shop: str
    live: Serving | None
    policy: Policy
    live_bundle: Bundle | None
    data: bytes = b""
    suffix: str = ""
    draws: Candidate | None = None
    bundle: Bundle | None = None
    folder: Path = Path()

    @property
    def what(self) -> str:
        return DRAWS if self.draws is not None else BUNDLE if self.bundle is not None else POLICY

    @property
    def change(self) -> tuple[str, str]:
        """The hash before, and after."""
        if self.bundle is not None:
            return self.live_bundle.id if self.live_bundle is not None else "", self.bundle.id
        if self.draws is not None:
            return self.live.draws.id if self.live is not None else "", self.draws.draws.id
        return self.live.policy.version if self.live is not None else "", self.policy.version

    @property
    def learned_until_ms(self) -> int:
        """The last decision it was learned from; -1 of a policy file."""
        if self.bundle is not None:
            return int(self.bundle.manifest[LEARNED_FROM]["until_ms"])
        return self.draws.facts.until_ms if self.draws is not None else -1

    def sides(self, live: Serving) -> tuple[Side, Side]:
        """What serves, and what would."""
        effects = self.live_bundle.uplift if self.live_bundle is not None else None
        now = Side(live.policy, live.draws, effects)
        if self.bundle is not None:
            return now, now._replace(uplift=self.bundle.uplift)
        if self.draws is not None:
            return now, now._replace(draws=self.draws.draws)
        return now, Side(self.policy, carried(live.policy, live.draws, live.learned, self.policy), effects)


def offer_of(settings: Settings, registry: Registry, path: Path, shop: str) -> Offer:
    """What is asked for, beside what is live; ends where the path holds nothing that could be."""
    if path.is_dir():
        return (_uplift if (path / MANIFEST).is_file() else _draws)(settings, registry, path, shop)
    policy, data = policy_of_file(path), path.read_bytes()
    _check_shop(path, policy.shop, shop)
    if path.suffix not in policy_files.SUFFIXES:
        fail(f"{path}: a policy's file ends with {', '.join(policy_files.SUFFIXES)}", code=2)
    found = live_file(settings, policy.shop)
    live = Serving.of(settings, policy_of_file(found)) if found is not None else None
    return Offer(policy.shop, live, policy, _live_bundle(registry, policy.shop), data, path.suffix)


def _draws(settings: Settings, registry: Registry, path: Path, shop: str) -> Offer:
    try:
        found = candidates.read(path)
    except candidates.InvalidCandidate as error:
        fail(str(error), code=2)
    facts = found.facts
    _check_shop(path, facts.shop, shop)
    live = _serving(settings, facts.shop, "draws")
    if not found.fits(live.policy):
        now = live.policy.version
        fail(f"{path} was learned for policy {facts.policy}; {now} is live", "Learn it again: tact learn", code=2)
    return Offer(facts.shop, live, live.policy, _live_bundle(registry, facts.shop), draws=found)


def _uplift(settings: Settings, registry: Registry, path: Path, shop: str) -> Offer:
    with told_plainly():
        found = bundles.load(path)
    about = found.manifest.get(LEARNED_FROM)
    if not isinstance(about, dict):
        fail(f"{path} is a bundle, but not of `tact learn --uplift`", "tact publish judges its models", code=2)
    theirs = str(about["shop"])
    _check_shop(path, theirs, shop)
    live, now = _serving(settings, theirs, "uplift models"), _live_bundle(registry, theirs)
    if about["terms"] != live.policy.terms:
        fail(f"{path}: rewards are counted otherwise now", "Learn it again: tact learn --uplift", code=2)
    if now is None or (now.id != found.id and not differ_by_uplift_alone(found, now)):
        what = f"the live bundle {now.id}'s" if now is not None else "of a live bundle"
        fail(f"{path}: its other models are not {what}", "Learn it again, or let tact publish judge it", code=2)
    return Offer(theirs, live, live.policy, now, bundle=found, folder=path)


def _serving(settings: Settings, shop: str, what: str) -> Serving:
    file = live_file(settings, shop)
    if file is None:
        fail(f"shop {shop!r} has no policy in {settings.policies} that {what} could be of", code=2)
    return Serving.of(settings, policy_of_file(file))


def _live_bundle(registry: Registry, shop: str) -> Bundle | None:
    """What serves now. One that cannot be loaded any more serves nobody."""
    live = registry.live(shop)
    try:
        return bundles.load(registry.path(live)) if live is not None else None
    except (InvalidBundle, KeyError):
        return None


def _check_shop(path: Path, theirs: str, asked: str) -> None:
    if asked and theirs != asked:
        fail(f"{path} is of shop {theirs!r}, not of {asked!r}", code=2)
