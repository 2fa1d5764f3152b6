"""Where a shop's personas lie, in LAKE/personas/shop=S: ID.json of each, live.json of those in use. Read and write."""

import os
from pathlib import Path
from urllib.parse import quote

from models.persona import InvalidPersonas, Personas, loads


def folder_of(lake: Path, shop: str) -> Path:
    """The folder of a shop's personas."""
    return lake / "personas" / f"shop={quote(shop, safe='')}"


def live_file(lake: Path, shop: str) -> Path:
    """The file of the personas in use."""
    return folder_of(lake, shop) / "live.json"


def read(path: Path) -> Personas:
    """Personas of a file. Raises InvalidPersonas, OSError."""
    return loads(path.read_bytes())


def live(lake: Path, shop: str) -> Personas | None:
    """The personas in use, None where there are none. Raises InvalidPersonas."""
    try:
        return read(live_file(lake, shop))
    except (FileNotFoundError, NotADirectoryError):
        return None


def live_if_read(lake: Path, shop: str) -> Personas | None:
    """The same, None too where they are of another version or broken."""
    try:
        return live(lake, shop)
    except InvalidPersonas:
        return None


def publish(lake: Path, personas: Personas) -> Path:
    """Writes them under their id and puts them in use; each file appears whole. Returns the file of the id."""
    folder, data = folder_of(lake, personas.shop), personas.dumps()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{personas.id}.json"
    for path in (kept, live_file(lake, personas.shop)):
        aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        aside.write_bytes(data)
        aside.replace(path)
    return kept
