"""Receipts of the lake, and what they are replayed with: the registry's bundles and the archive's policies."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from features import lakefile
from models import bundle as bundles
from models.arbitration import Draws
from models.bundle import Bundle, InvalidBundle
from models.policy import load_policy
from models.policy_terms import Policy
from models.receipt import Receipt, decode
from models.registry import Registry, UnknownBundle
from service.draws_store import ARCHIVE, archived
from service.settings import Settings


class Archive:
    """Bundles, policies and draws by the names that receipts give them; each is loaded once."""

    def __init__(self, settings: Settings) -> None:
        self._registry = Registry(settings.registry)
        self._folders = (settings.home / "policies-archive", settings.policies)
        self._draws = settings.home / ARCHIVE
        self.draws = lru_cache(maxsize=32)(self._found_draws)
        self.bundle = lru_cache(maxsize=8)(self._bundle)
        self.policy = lru_cache(maxsize=32)(self._policy)

    def _bundle(self, identifier: str) -> Bundle | None:
        try:
            return bundles.load(self._registry.path(identifier))
        except (UnknownBundle, InvalidBundle):
            return None

    def _found_draws(self, identifier: str) -> Draws | None:
        return archived(self._draws, identifier)

    def _policy(self, version: str) -> Policy | None:
        for path in self._named(version):
            policy = load_policy(path.read_text(), str(path))
            if policy.version == version:
                return policy
        return None

    def _named(self, version: str) -> list[Path]:
        return sorted(path for folder in self._folders for path in folder.glob(f"{version}.*"))


def receipt_of(settings: Settings, shop: str, decision_id: str) -> Receipt | None:
    """A decision's receipt, None if the lake has none."""
    data = lakefile.find_receipt(settings.lake, shop, decision_id)
    return None if data is None else decode(data)


def latest_receipts(settings: Settings, shop: str, count: int) -> Iterator[Receipt]:
    """The lake's latest receipts of a shop, newest first."""
    table = lakefile.read_decisions(settings.lake, shop, columns=["receipt"])
    for data in table.column("receipt").slice(max(0, len(table) - count)).to_pylist()[::-1]:
        yield decode(data)
