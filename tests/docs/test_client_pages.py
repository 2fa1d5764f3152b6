"""docs/client.md and docs/cookbook.md say what the client and the service do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.web.pages import HERE
from tact.demo import Example
from tests.service.shop import make_shop, running

DOCS = Path(__file__).parents[2] / "docs"
CLIENT = (DOCS / "client.md").read_text()
SOURCE = (HERE / "static" / "tact.js").read_text()
TYPES = (HERE / "static" / "tact.d.ts").read_text()
ADAPTERS = (HERE / "static" / "tact-adapters.js").read_text()


def rows(heading: str) -> list[str]:
    """The first cells of the table under these heads."""
    after = CLIENT.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [line.split(" | ")[0].strip("| ") for line in after.splitlines()[2:]]


def test_every_attribute_of_the_tag_is_on_the_page_and_no_other() -> None:
    told = {re.sub(r"-(\w)", lambda m: m[1].upper(), name.strip("`")[5:]) for name in rows("attribute | meaning")}
    assert told == set(re.findall(r"\bdata\.(\w+)", SOURCE))


def test_every_call_is_on_the_page_and_in_the_types() -> None:
    told = set(re.findall(r"`tact\.(\w+)", " ".join(rows("call | what it does"))))
    public = SOURCE.split("const tact = window.tact = {", 1)[1].split("\n  };", 1)[0]
    made = {"visitor", "track", "decide", "page", "consent", "last", "render", "show", "purposes"}
    assert made == told
    assert all(re.search(rf"\b{name}\b", public) for name in made)
    client = TYPES.split("interface Client {", 1)[1].split("\n  }", 1)[0]
    assert set(re.findall(r"^    (?:readonly )?(\w+)\??[:(]", client, re.MULTILINE)) == made | {"push"}


def test_every_language_on_the_page_has_its_words() -> None:
    words = SOURCE.split("const WORDS = {", 1)[1].split("};", 1)[0]
    told = re.search(r"\(((?:\w\w, )+\w\w); others", CLIENT)
    assert told is not None
    assert re.findall(r"\b(\w\w): \[", words) == told[1].split(", ")


def test_what_can_be_listened_to_is_what_the_adapters_have() -> None:
    assert set(re.findall(r'wanted\.includes\("(\w+)"\)', ADAPTERS)) == {"ga4", "segment", "history"}
    assert "`ga4`, `segment`, `history`" in CLIENT


def test_the_pictures_of_the_pages_are_there() -> None:
    for page in ("client.md", "demo.md"):
        for picture in re.findall(r"\]\((img/[^)]+)\)", (DOCS / page).read_text()):
            assert (DOCS / picture).is_file(), f"{page}: {picture}"
            assert (DOCS / picture).stat().st_size < 120_000, picture


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH")
def test_every_command_of_the_cookbook_works_as_it_stands(tmp_path: Path, redis_url: str) -> None:
    _, *blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "cookbook.md").read_text(), re.DOTALL)
    assert len(blocks) >= 12
    policy = Example.find().policy.read_text().replace("shop: demo", "shop: acme", 1)
    with running(make_shop(tmp_path, redis_url, policy=policy)) as live:
        keys = {"KEY": live.shop.publishable, "SECRET": live.shop.secret, "TACT": live.url}
        script = 'curl() { command curl --fail-with-body "$@"; }\n' + "\n".join(blocks)
        ran = subprocess.run(["sh", "-eu"], input=script, env=os.environ | keys, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"identical":true' in ran.stdout
    assert "tact_preview=" in ran.stdout
    assert "event: decision" in ran.stdout
