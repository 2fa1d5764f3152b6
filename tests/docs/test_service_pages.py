"""docs/api.md, docs/errors.md and docs/metrics.md say what the code does."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI

from features.events import CHANNELS, DEVICES, PAGE_TYPES, REFERRERS
from models.inputs import FOUND_BY
from service import errors, wire
from service.app import create_app
from service.body import BODY_S
from service.catalog_store import MAX_LINE_BYTES
from service.metrics import Metrics
from service.privacy import MAX_ATTRIBUTES
from service.settings import Settings
from tests.service.shop import make_shop, running

DOCS = Path(__file__).parents[2] / "docs"
API = (DOCS / "api.md").read_text()


def table(page: str, heading: str) -> list[list[str]]:
    """The rows under a table's heading."""
    after = page.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in after.splitlines()[2:]]


def test_every_error_is_on_its_page_as_it_is_in_the_code() -> None:
    told = table((DOCS / "errors.md").read_text(), "code | status | title | what to do")
    entries = [[f"`{code}`", str(e.status), e.title, e.remedy] for code, e in errors.CATALOGUE.items()]
    assert told == entries


def test_the_catalogue_s_docstring_lists_the_same_errors() -> None:
    assert errors.__doc__ is not None
    told = re.findall(r"^\* (\w+) +(\d+)", errors.__doc__, re.MULTILINE)
    assert told == [(code, str(entry.status)) for code, entry in errors.CATALOGUE.items()]


def test_every_metric_is_on_its_page_as_it_is_in_the_code() -> None:
    told = table((DOCS / "metrics.md").read_text(), "metric | type | labels | meaning")
    there_are = []
    for collector in Metrics().registry._collector_to_names:
        family = next(iter(collector.collect()), None)
        if family is None:
            continue  # it has others counted, and nothing of its own
        labels = ", ".join(f"`{label}`" for label in collector._labelnames) or "–"  # type: ignore[attr-defined]
        name = family.name + ("_total" if family.type == "counter" else "")
        there_are.append([f"`{name}`", family.type, labels, family.documentation])
    assert told == there_are


def test_every_way_a_product_is_found_is_told_in_its_order() -> None:
    assert [code.strip("`") for code, _ in table(API, "reason_code | why it is there")] == list(FOUND_BY)


def test_every_field_of_an_event_is_on_the_page() -> None:
    told = [name.strip("`") for name, _ in table(API.split("## Events")[1], "field | meaning")]
    kept = [f.name for f in wire.msgspec.structs.fields(wire.Event)]
    dropped = kept[kept.index("currency") :]
    assert told == kept[: kept.index("currency")]
    assert all(f"`{name}`" in API for name in dropped)


def test_every_word_that_a_field_takes_is_on_the_page() -> None:
    meanings = dict(table(API.split("## Events")[1], "field | meaning"))
    vocabulary = {"page_type": PAGE_TYPES, "channel": CHANNELS, "referrer": REFERRERS, "device": DEVICES}
    for name, words in vocabulary.items():
        assert meanings[f"`{name}`"] == ", ".join(words[1:]) + "."
    assert all(f"`{purpose}`" in meanings["`consent`"] for purpose in wire.PURPOSES)


def test_every_field_of_a_decision_is_on_the_page() -> None:
    rows = dict(table(API.split("## Decisions")[1], "field | meaning"))
    assert [name.strip("`") for name in rows] == [f.name for f in wire.msgspec.structs.fields(wire.DecisionRequest)]
    context = [f.name for f in wire.msgspec.structs.fields(wire.RequestContext) if f.name != "search_term"]
    assert re.findall(r"`(\w+)`", rows["`context`"]) == context


def test_the_limits_are_the_code_s() -> None:
    told = dict(table(API, "what | limit"))
    assert told == {
        "events in a request": str(wire.MAX_EVENTS),
        "items of an event": str(wire.MAX_ITEMS),
        "placements of a decision": str(wire.MAX_PLACEMENTS),
        "characters of an id": str(wire.MAX_ID),
        "characters of a text": str(wire.MAX_TEXT),
        "bytes of a line of an upload": f"{MAX_LINE_BYTES:,}",
        "attributes in a request": str(MAX_ATTRIBUTES),
        "dismissed actions in a context": str(wire.MAX_DISMISSED),
        "bytes of another body": "`TACT_MAX_BODY_BYTES`",
        "seconds for a body, or between two pieces of an upload": f"{BODY_S:g}",
    }


def application(tmp_path: Path) -> FastAPI:
    return create_app(Settings(home=tmp_path, redis_url="redis://127.0.0.1:1"))


def test_every_call_is_on_the_page_and_in_the_description(tmp_path: Path) -> None:
    told = {tuple(call.strip("`").split(" ")) for call, _, _ in table(API, "call | key | answer")}
    described = {
        (method.upper(), path) for path, item in application(tmp_path).openapi()["paths"].items() for method in item
    }
    assert told == described


def test_every_reference_in_the_description_leads_somewhere(tmp_path: Path) -> None:
    document = application(tmp_path).openapi()
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert references
    assert references <= set(document["components"]["schemas"])


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH")
def test_every_curl_command_of_the_page_works_as_it_stands(tmp_path: Path, redis_url: str) -> None:
    commands = [c for block in re.findall(r"```sh\n(.*?)```", API, re.DOTALL) for c in re.split(r"\n(?=curl )", block)]
    assert len(commands) >= 2
    with running(make_shop(tmp_path, redis_url)) as live:
        for command in commands:
            assert command.startswith("curl ")
            here = command.strip().replace("http://", "").replace("localhost:8000", live.url.removeprefix("http://"))
            ran = subprocess.run(
                ["sh", "-c", f"{here} -sS -w '\n%{{http_code}}'"],
                env={**os.environ, "KEY": live.shop.publishable},
                capture_output=True,
                text=True,
                check=True,
            )
            assert ran.stdout.rsplit("\n", 1)[1] in ("200", "202"), ran.stdout
            assert '"degraded":true' not in ran.stdout
