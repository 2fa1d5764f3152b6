"""What an install needs before it can serve: a shop with keys and a policy.

* NoStarterPolicy   the starter policy is not part of this install
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from service import keys
from service.settings import Settings

DEFAULT_SHOP = "default"
POLICY_SUFFIXES = (".yaml", ".yml", ".toml")


class NoStarterPolicy(FileNotFoundError):
    """There is no policy to start from."""


@dataclass(frozen=True, slots=True)
class NewKeys:
    """A shop's keys as they were made: the only time they can be shown."""

    shop: str
    publishable: str
    secret: str


def make_keys(settings: Settings, shop: str, origins: tuple[str, ...] = ()) -> NewKeys:
    """Add a publishable and a secret key. Without origins, the publishable one works from this install's own pages."""
    publishable = keys.create(settings.keys_file, shop, "publishable", origins or own_origins(settings))
    return NewKeys(shop, publishable, keys.create(settings.keys_file, shop, "secret"))


def ensure_keys(settings: Settings, shop: str = DEFAULT_SHOP) -> NewKeys | None:
    """Make the first shop's keys; None if there are keys already."""
    return None if keys.Keys.load(settings.keys_file).listed() else make_keys(settings, shop)


def ensure_policy(settings: Settings, shop: str = DEFAULT_SHOP) -> Path | None:
    """Copy the starter policy for a shop; None if the folder holds a policy already. Raises NoStarterPolicy."""
    if any(path.suffix in POLICY_SUFFIXES for path in settings.policies.glob("*")):
        return None
    settings.policies.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(starter_policy(), settings.policies / f"{shop}.yaml"))


def starter_policy() -> Path:
    """The policy that comes with Tact: in the installed package, or in the checkout. Raises NoStarterPolicy."""
    here = Path(__file__)
    places = (here.parent / "starter" / "policy.yaml", here.parents[1] / "examples" / "starter" / "policy.yaml")
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise NoStarterPolicy(f"no starter policy in {' or '.join(str(place.parent) for place in places)}")
    return found


def own_origins(settings: Settings) -> tuple[str, ...]:
    """Where pages that this install serves come from, as a browser on this machine names it."""
    return tuple(f"http://{host}:{settings.port}" for host in ("127.0.0.1", "localhost"))
