"""Which bundle is live for which shop: the only module of models/ that keeps state, in files.

    ROOT/bundles/<id>/…      bundles, never changed
    ROOT/live/<shop>.json    {"live": id, "history": [{at_ms, action, bundle, by, why}, …]}, replaced as a whole

A shop without a bundle of its own uses the one of the shop "default". History is only appended to.

* InvalidBundle   what should go live does not pass its checks; what is live stays
* NothingBefore   a rollback with no earlier bundle to go back to
* UnknownBundle   no bundle of that id in this registry
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from models.bundle import MANIFEST, InvalidBundle, decode, identity, read_files
from models.folders import Folder

DEFAULT_SHOP: Final = "default"
PUBLISH: Final = "publish"
ROLLBACK: Final = "rollback"


class NothingBefore(ValueError):
    """There is no earlier bundle to roll back to."""


class UnknownBundle(KeyError):
    """The registry holds no bundle of that id."""


class Registry:
    """Bundles and what is live, under one local path or fsspec address."""

    def __init__(self, root: str | Path) -> None:
        self._bundles = Folder(root).child("bundles")
        self._live = Folder(root).child("live")

    def publish(self, folder: str | Path, shop: str, by: str, note: str, at_ms: int) -> str:
        """Copies a bundle in and makes it live. by, note: who and why. Returns its id. Raises InvalidBundle."""
        identifier, files = read_files(Folder(folder))
        decode(identifier, files)
        self._store(identifier, files)
        with self._live.alone():
            self._append(shop, {"at_ms": at_ms, "action": PUBLISH, "bundle": identifier, "by": by, "why": note})
        return identifier

    def rollback(self, shop: str, by: str, note: str, at_ms: int) -> str:
        """Makes the bundle before the live one live again; returns its id. Raises NothingBefore, InvalidBundle."""
        with self._live.alone():
            stack = _stack(self.history(shop))
            if len(stack) < 2:
                raise NothingBefore(f"shop {shop!r} has no bundle before {stack[-1] if stack else 'its first'}")
            decode(*read_files(self._bundles.child(stack[-2])))
            self._append(shop, {"at_ms": at_ms, "action": ROLLBACK, "bundle": stack[-2], "by": by, "why": note})
        return stack[-2]

    def before(self, shop: str) -> str | None:
        """The bundle that a rollback would make live again; None where there is none."""
        stack = _stack(self.history(shop))
        return stack[-2] if len(stack) > 1 else None

    def live(self, shop: str) -> str | None:
        """The id of the shop's live bundle, or of the default's, or None."""
        for name in (shop, DEFAULT_SHOP):
            live = self._record(name).get("live")
            if live is not None:
                return str(live)
        return None

    def history(self, shop: str) -> list[dict[str, Any]]:
        """Every publish and rollback of the shop, oldest first."""
        return list(self._record(shop).get("history", []))

    def shops(self) -> list[str]:
        """The shops that have a bundle of their own, sorted."""
        return [unquote(name.removesuffix(".json")) for name in self._live.names() if name.endswith(".json")]

    def path(self, identifier: str) -> str:
        """Where a bundle is, for bundle.load. Raises UnknownBundle."""
        folder = self._bundles.child(_safe(identifier))
        try:
            found = identity(folder.read(MANIFEST))
        except FileNotFoundError as error:
            raise UnknownBundle(identifier) from error
        if found != identifier:
            raise InvalidBundle("checksum", f"the folder {identifier} holds bundle {found}")
        return folder.address

    def bundles(self) -> list[str]:
        """The ids of all bundles it holds, sorted."""
        return self._bundles.names()

    def _store(self, identifier: str, files: Mapping[str, bytes]) -> None:
        """Copies the files, the manifest last: a bundle whose copy was cut short has none and is no bundle."""
        folder = self._bundles.child(identifier)
        for name in sorted(files, key=lambda name: name == MANIFEST):
            folder.write(name, files[name])

    def _record(self, shop: str) -> dict[str, Any]:
        try:
            text = self._live.read(f"{_safe(shop)}.json")
        except FileNotFoundError:
            return {}
        try:
            return dict(json.loads(text))
        except ValueError as error:
            raise InvalidBundle("manifest", f"{self._live.address}/{_safe(shop)}.json is damaged: {error}") from error

    def _append(self, shop: str, entry: Mapping[str, Any]) -> None:
        record = {"live": entry["bundle"], "history": [*self.history(shop), entry]}
        self._live.write(f"{_safe(shop)}.json", json.dumps(record, indent=1).encode() + b"\n")


def _stack(history: list[dict[str, Any]]) -> list[str]:
    """The bundles one could go back through, the live one last."""
    stack: list[str] = []
    for entry in history:
        if entry["action"] == ROLLBACK:
            stack.pop()
        elif not stack or stack[-1] != entry["bundle"]:
            stack.append(str(entry["bundle"]))
    return stack


def _safe(name: str) -> str:
    """A name as one path part: nothing in it leads elsewhere."""
    quoted = quote(name, safe="")
    if not name or name.startswith("."):
        raise ValueError(f"{name!r} cannot name a shop or a bundle")
    return quoted
