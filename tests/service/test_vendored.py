"""What the console's pages load of others is what vendored.json says, with its licence beside it."""

import hashlib
import json

import pytest

from service.web.pages import HERE

VENDOR = HERE / "static" / "vendor"
VENDORED = json.loads((VENDOR / "vendored.json").read_text())


def test_every_vendored_file_is_listed() -> None:
    assert sorted(VENDORED) == sorted(path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".css"))


@pytest.mark.parametrize("name", sorted(VENDORED))
def test_a_vendored_file_is_unchanged_and_has_its_licence(name: str) -> None:
    about = VENDORED[name]
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == about["sha256"]
    assert about["version"]
    assert all("Copyright" in (VENDOR / licence).read_text() for licence in about["licence_files"])
