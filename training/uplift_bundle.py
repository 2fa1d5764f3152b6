"""A bundle with other uplift models: the live one's files, byte for byte, beside a new uplift.json and its cards."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.bundle import MANIFEST, UPLIFT, Bundle, decode, identity, load
from models.folders import Folder

CARDS: Final = "uplift"
"""In the manifest: what was found of each action, by its id (training/fit_uplift.py: card)."""
LEARNED_FROM: Final = "uplift_from"
"""In the manifest: shop, policy and terms of the rewards, the last decision (until_ms) and the bundle of before."""


def with_uplift(
    files: Mapping[str, bytes], uplift: str, cards: Mapping[str, Any], learned_from: Mapping[str, Any]
) -> tuple[str, dict[str, bytes]]:
    """The id and files of the bundle in `files` with these uplift models. Raises InvalidBundle."""
    manifest, data = json.loads(files[MANIFEST]), uplift.encode()
    manifest["files"][UPLIFT] = hashlib.sha256(data).hexdigest()
    manifest |= {CARDS: dict(cards), LEARNED_FROM: dict(learned_from)}
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"
    made = {**files, UPLIFT: data, MANIFEST: text}
    decode(identity(text), made)
    return identity(text), made


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes a bundle's files, the manifest last, and checks them in full. Raises InvalidBundle, OSError."""
    target = Folder(folder)
    for name in sorted(files, key=lambda name: name == MANIFEST):
        target.write(name, files[name])
    load(folder)


def differ_by_uplift_alone(one: Bundle, other: Bundle) -> bool:
    """Whether two bundles hold the same models, learned in the same window, but for their uplift models."""
    return one.id != other.id and _without_uplift(one.manifest) == _without_uplift(other.manifest)


def _without_uplift(manifest: Mapping[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in manifest.items() if name not in (CARDS, LEARNED_FROM, "files")}
    return left | {"files": {name: sha for name, sha in manifest["files"].items() if name != UPLIFT}}
