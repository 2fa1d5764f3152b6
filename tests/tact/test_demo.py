"""`tact demo`: what it sets up, what it leaves alone, and a whole start and stop."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from features.lakefile import read_decisions, read_events
from models.policy import load_policy
from service.console_access import use_link
from service.embedded import EmbeddedValkey
from service.errors import Problem
from service.keys import Keys, create, revoke
from service.settings import Settings
from service.web.pages import HERE
from service.web.picture import DRAWINGS, picture
from service.web.texts import TEXTS
from tact import demo
from tact.demo_visitors import PLACEMENTS

EXAMPLE = demo.Example.find()
ROOT = Path(__file__).parents[2]


def settings(home: Path, port: int = 8000) -> Settings:
    return Settings(home=home, port=port)


def demo_command(home: Path, port: int, *options: str) -> subprocess.CompletedProcess[str]:
    patient = {"TACT_DEADLINE_MS": "10000", "TACT_STORE_TIMEOUT_MS": "10000"}  # a busy machine must not degrade answers
    environ = {**os.environ, **patient, "COLUMNS": "80", "TACT_HOME": str(home), "TACT_PORT": str(port)}
    command = [sys.executable, "-m", "tact", "demo", "--once", "--history", "300", *options]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)


def processes_naming(text: str) -> list[str]:
    """Command lines and environments of the processes that mention a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:  # it ended, or is not ours
            continue
        if text.encode() in said and int(folder.name) != os.getpid():
            found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
    return found


def test_the_catalog_is_a_believable_shop() -> None:
    products = EXAMPLE.products()
    categories = {product.category for product in products}
    assert len(products) >= 60
    assert len(categories) >= 8
    assert len({product.item_id for product in products}) == len(products)
    assert any(product.stock == 0 for product in products)
    assert any(product.stock == 0 and any(product.stores.values()) for product in products)
    assert all(0 < (product.margin or 0) < (product.price or 0) for product in products)


def test_every_category_has_a_drawing_of_its_own() -> None:
    categories = {product.category for product in EXAMPLE.products()}
    assert categories == set(DRAWINGS)
    assert len({picture("the-same-id", category) for category in categories}) == len(categories)


def test_pages_and_simulated_visitors_ask_for_the_same_placements_and_the_policy_has_them() -> None:
    templates = "".join(path.read_text() for path in (HERE / "templates").glob("*.html"))
    asked = re.findall(r'slot\("([^"]+)"|data-tact-live="([^"]+)"', templates)
    of_pages = {at_once or live for at_once, live in asked}
    of_policy = set(load_policy(EXAMPLE.policy.read_text(), EXAMPLE.policy.name).at)
    assert of_pages == {placement for asked in PLACEMENTS.values() for placement in asked} == of_policy


def test_no_link_of_a_message_leads_to_a_page_that_is_not_there() -> None:
    links = set(re.findall(r"url: \"?/shop/([a-z]+)", EXAMPLE.policy.read_text()))
    assert links
    assert links <= {*TEXTS, "cart", "stores", "account"}


def test_keys_of_the_start_before_are_used_again(tmp_path: Path) -> None:
    first = demo.ensure_demo_keys(settings(tmp_path))
    assert demo.ensure_demo_keys(settings(tmp_path)) == first
    assert stat.S_IMODE((tmp_path / demo.KEYS_FILE).stat().st_mode) == 0o600


def test_another_port_keeps_the_keys_and_adds_its_address(tmp_path: Path) -> None:
    first = demo.ensure_demo_keys(settings(tmp_path, 8000))
    assert demo.ensure_demo_keys(settings(tmp_path, 8001)) == first
    loaded = Keys.load(tmp_path / "keys.json")
    access = loaded.check(first.publishable)
    assert access is not None
    assert access.allows("http://127.0.0.1:8000")
    assert access.allows("http://127.0.0.1:8001")
    assert len(loaded.listed()) == 2


def test_a_revoked_key_is_made_anew_and_the_other_one_stays(tmp_path: Path) -> None:
    first = demo.ensure_demo_keys(settings(tmp_path))
    revoke(tmp_path / "keys.json", first.secret)
    second = demo.ensure_demo_keys(settings(tmp_path))
    assert second.publishable == first.publishable
    assert second.secret != first.secret
    loaded = Keys.load(tmp_path / "keys.json")
    assert loaded.check(second.secret) is not None
    assert loaded.check(second.publishable) is not None
    assert demo.ensure_demo_keys(settings(tmp_path)) == second


def everything_in(home: Path) -> dict[str, bytes]:
    kept = (path for path in home.rglob("*") if path.is_file() and "valkey" not in path.parts)
    return {str(path.relative_to(home)): path.read_bytes() for path in kept}


@pytest.mark.parametrize("what_runs", ["demo", "serve"])
def test_a_demo_in_a_home_in_use_is_refused_before_anything_is_changed(tmp_path: Path, what_runs: str) -> None:
    with ExitStack() as running:
        if what_runs == "serve":
            running.enter_context(EmbeddedValkey(tmp_path / "valkey"))
        else:
            running.enter_context(demo.sole_demo(settings(tmp_path)))
        demo.ensure_demo_keys(settings(tmp_path))
        (tmp_path / demo.DEMO_FILE).write_text("{}")
        (tmp_path / demo.LOCK_FILE).touch()
        before = everything_in(tmp_path)
        done = demo_command(tmp_path, 0)
        assert everything_in(tmp_path) == before
    assert done.returncode == 1
    assert "already" in done.stderr
    assert "TACT_HOME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("home", ["a-file", "a-file/below", "/proc/nope"])
def test_a_home_that_cannot_be_one_is_told_and_nothing_starts(tmp_path: Path, home: str) -> None:
    (tmp_path / "a-file").write_text("mine")
    done = demo_command(tmp_path / home, 0)
    assert done.returncode == 2
    assert "TACT_HOME" in done.stderr
    assert str(tmp_path / home) in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "a-file").read_text() == "mine"


def test_an_edited_policy_stays_and_an_old_copy_is_replaced(tmp_path: Path) -> None:
    source, where = tmp_path / "example.yaml", settings(tmp_path / "home")
    placed = where.policies / "demo.yaml"
    source.write_text("first\n")
    assert demo.ensure_demo_policy(where, source)
    assert not demo.ensure_demo_policy(where, source)
    source.write_text("second\n")
    assert demo.ensure_demo_policy(where, source)
    assert placed.read_text() == "second\n"
    placed.write_text("edited\n")
    source.write_text("third\n")
    assert not demo.ensure_demo_policy(where, source)
    assert placed.read_text() == "edited\n"


def test_a_busy_port_is_told_before_any_work_is_done(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo_command(tmp_path, port)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "TACT_PORT" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_first_start_decides_and_leaves_no_process_behind_and_a_second_trains_nothing(tmp_path: Path) -> None:
    done = demo_command(tmp_path, 0, "--visitors", "8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"decision_id"' in done.stdout
    about = json.loads((tmp_path / demo.DEMO_FILE).read_text())
    assert set(about) == {"url", "publishable_key", "secret_key", "redis_url", "lake", "shop"}
    assert stat.S_IMODE((tmp_path / demo.DEMO_FILE).stat().st_mode) == 0o600
    assert processes_naming(str(tmp_path)) == []
    decisions = read_decisions(about["lake"], about["shop"])
    assert len(decisions) > 8
    assert not any(decisions.column("degraded").to_pylist())
    visitors = set(read_events(about["lake"], about["shop"], columns=["visitor_id"]).column("visitor_id").to_pylist())
    assert len(visitors) > 300
    in_order = re.sub(r"[│\s]", "", done.stdout)  # as copied from a terminal of 80 columns
    assert about["publishable_key"] in in_order
    assert about["secret_key"] in in_order
    assert str(tmp_path / demo.DEMO_FILE) in in_order
    assert "Warning" not in done.stdout + done.stderr

    create(tmp_path / "keys.json", "shop2", "secret")  # has neither bundle nor policy: no matter to the demo
    again = demo_command(tmp_path, 0, "--visitors", "0")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Models trained" in done.stdout
    assert "Models trained" not in again.stdout
    assert "simulated history" not in again.stdout
    assert logs_in(tmp_path, about["url"], done.stdout)
    assert not logs_in(tmp_path, about["url"], done.stdout)  # once


def logs_in(home: Path, url: str, said: str) -> bool:
    """Whether the console's link, a whole line of what was said, opens the demo's console."""
    [token] = re.findall(rf"^{re.escape(url)}/console/login#([\w-]+)$", said, re.MULTILINE)
    try:
        return use_link(home, token, Keys.load(home / "keys.json"), time.time()).shop == demo.SHOP
    except Problem:
        return False
