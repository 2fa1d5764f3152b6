"""The folder of policies, SHOP.yaml (or .yml, .toml) for each shop, and the archive of every version that was live.

* PolicyError   a file that cannot be read as text, or that is named after another shop; says which file and line
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from models.policy import Policy, PolicyError, Problem, load_policy
from models.policy_file import decoded, parse

SUFFIXES: Final = (".yaml", ".yml", ".toml")
"""In the order in which they count where a shop has several files."""
REPLACED: Final = "replaced"
"""In the archive: files that a promotion or a rollback put or took the place of, byte for byte."""


def find(folder: Path) -> Mapping[str, tuple[Path, ...]]:
    """The files of each shop, the one that counts first. A hidden file is an editor's, not a shop's."""
    found: dict[str, tuple[Path, ...]] = {}
    for suffix in SUFFIXES:
        for path in sorted(folder.glob(f"*{suffix}")):
            if not path.name.startswith("."):
                found[path.stem] = (*found.get(path.stem, ()), path)
    return found


def beside(paths: tuple[Path, ...]) -> str:
    """What to tell of a shop with several files; "" if it has one or none."""
    if len(paths) < 2:
        return ""
    return f"{paths[0].name} counts; {', '.join(path.name for path in paths[1:])} beside it is not read"


def read(path: Path) -> str:
    """A policy file's text. Raises PolicyError for what is no text, OSError for a file that cannot be read."""
    if path.is_dir():
        raise PolicyError((Problem(str(path), 1, 0, "this is a folder, not a policy file"),))
    return decoded(path.read_bytes(), str(path))


def misnamed(policy: Policy, text: str, path: Path) -> Problem | None:
    """What is wrong where a file is not named after its shop; None where it is. text: the policy's."""
    if policy.shop == path.stem:
        return None
    node = parse(text, str(path))[0].get("shop")
    line, column = (node.line, node.column) if node is not None else (1, 0)
    name = f"{policy.shop}{path.suffix}"
    message = f"`shop` is {policy.shop!r}: in the folder of policies this file has to be named {name}"
    return Problem(str(path), line, column, message)


def load(path: Path, archive: Path) -> Policy:
    """The policy of a file of the folder, kept in the archive for replays. Raises PolicyError, OSError."""
    text = read(path)
    policy = load_policy(text, str(path))
    wrong = misnamed(policy, text, path)
    if wrong is not None:
        raise PolicyError((wrong,))
    archive.mkdir(parents=True, exist_ok=True)
    kept = archive / f"{policy.version}{path.suffix}"
    if not kept.exists():
        new = kept.with_suffix(f"{path.suffix}.{time.monotonic_ns()}")
        new.write_text(text, encoding="utf-8")
        new.replace(kept)
    return policy


def put(folder: Path, archive: Path, shop: str, data: bytes, suffix: str) -> None:
    """Makes a file the shop's policy, whole or not at all; it and the one before are kept. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    before = find(folder).get(shop, ())
    if before:
        _keep_bytes(before[0], archive)
    path = folder / f"{shop}{suffix}"
    aside = folder / f".{path.name}.{time.monotonic_ns()}.tmp"
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    _keep_bytes(path, archive)
    for other in before:
        if other != path:  # of another ending: one file a shop
            other.unlink(missing_ok=True)


def replaced(archive: Path, version: str) -> tuple[bytes, str]:
    """A policy that was live, byte for byte, and the ending of its file. Raises KeyError if it is not kept."""
    for folder in (archive / REPLACED, archive):
        for suffix in SUFFIXES:
            path = folder / f"{version}{suffix}"
            if path.is_file():
                return path.read_bytes(), suffix
    raise KeyError(version)


def _keep_bytes(path: Path, archive: Path) -> None:
    """Keeps a file as it is: what the archive holds beside has its lines' ends made alike. A refused one has no version
    and is not kept."""
    data = path.read_bytes()
    try:
        version = load_policy(decoded(data, str(path)), str(path)).version
    except PolicyError:
        return
    kept = archive / REPLACED / f"{version}{path.suffix}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    aside = kept.with_name(f".{kept.name}.{time.monotonic_ns()}")
    aside.write_bytes(data)
    aside.replace(kept)


def archived(archive: Path, version: str) -> Policy:
    """A policy by its version. Raises KeyError if it was never live here, PolicyError if it is not taken any more."""
    for suffix in SUFFIXES:
        path = archive / f"{version}{suffix}"
        if path.is_file():
            return load_policy(read(path), path.name)
    raise KeyError(version)
