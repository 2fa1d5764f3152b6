"""The teacher learns from the stream what helps, publishes draws that serving takes up, and goes on after a restart."""

import time
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from features.catalog import Product
from features.events import Row
from features.lake_catalog import write_catalog
from models.arbitration import Draws, prior_draws
from models.decision import decide
from models.effects import N_EFFECTS
from models.policy import load_policy
from models.receipt import DrawsGone, decode, encode, replay
from service import draws_store, teacher
from service.draws_store import ARCHIVE, InvalidSnapshot
from service.settings import Settings
from service.stream import decode_lines, encode_event
from service.teacher import Teacher, TeacherMetrics
from tests.models.deciding import MINUTE, NOW, FixedScores, Visitor, action, text_of

SHOP = "demo"
HOUR = 60 * MINUTE


def policy_text(**fields) -> str:
    return text_of(action("good", value=5, cost=0), action("bad", value=5, cost=0), **fields)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few trials are enough: what is told is looked at, not when it begins."""
    monkeypatch.setattr(teacher, "FEW", 20)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path)
    made.policies.mkdir()
    (made.policies / f"{SHOP}.yaml").write_text(policy_text())
    return made


def taught(settings: Settings) -> Teacher:
    return Teacher(settings, TeacherMetrics(CollectorRegistry()))


def visit(pupil: Teacher, settings: Settings, number: int, draws: Draws | None = None) -> str:
    """One visitor: a decision, its message shown, and an order, likelier where the message was `good`."""
    policy = load_policy((settings.policies / f"{SHOP}.yaml").read_text(), "p.yaml")
    now_ms, decision_id = NOW + number * 1000, f"{number:026d}-00"
    inputs = Visitor().inputs(decision_id=decision_id, now_ms=now_ms)
    inputs = structs.replace(inputs, visitor_id=f"v{number}")
    made = decide(inputs, FixedScores(), policy, draws or prior_draws(policy))
    pupil.decided(SHOP, encode(made))
    chosen = made.chosen[0].action or ""
    if chosen:
        event(pupil, "view_promotion", number, now_ms + 100, action=chosen, decision_id=decision_id)
    odds = {"good": 0.6, "bad": 0.05}.get(chosen, 0.3)
    if np.random.default_rng(number).random() < odds:
        event(pupil, "purchase", number, now_ms + 5000, order_id=f"o{number}", value=10.0)
    return chosen


def event(pupil: Teacher, name: str, number: int, ts_ms: int, **fields) -> None:
    row = Row(SHOP, f"v{number}", f"{name}{number}", ts_ms, name, **fields)
    pupil.happened(SHOP, decode_lines(encode_event([row])[b"v"]))


def later(pupil: Teacher, number: int, hours: float = 2) -> None:
    """Time passes: the shop's clock goes on and everything open ends."""
    event(pupil, "page_view", 10**6 + number, NOW + number * 1000 + round(hours * HOUR))
    pupil.look(time.monotonic(), force=True)


def test_what_helps_is_learned_published_and_kept_for_replays(settings: Settings) -> None:
    pupil = taught(settings)
    for number in range(400):
        visit(pupil, settings, number)
    later(pupil, 400)
    found = draws_store.load(settings.live, SHOP)
    assert found is not None
    good, bad = found.draws.mean[:, 2]
    assert good > bad + 0.1
    assert found.facts.trials == 400
    assert draws_store.archived(settings.home / ARCHIVE, found.draws.id).id == found.draws.id


def test_a_decision_by_learned_draws_replays_from_the_archive_and_only_so(settings: Settings) -> None:
    pupil = taught(settings)
    for number in range(100):
        visit(pupil, settings, number)
    later(pupil, 100)
    found = draws_store.load(settings.live, SHOP)
    assert found is not None
    policy = load_policy((settings.policies / f"{SHOP}.yaml").read_text(), "p.yaml")
    kept = decode(encode(decide(Visitor().inputs(), FixedScores(), policy, found.draws)))
    archive = settings.home / ARCHIVE

    def again(find):
        return replay(kept, lambda _: FixedScores(), lambda _: policy, find)

    assert again(lambda name: draws_store.archived(archive, name)).identical
    with pytest.raises(DrawsGone):
        again(lambda name: None)


def test_a_restart_goes_on_where_it_was(settings: Settings) -> None:
    one, first = taught(settings), taught(settings)
    for number in range(60):
        visit(one, settings, number)
        visit(first, settings, number)
    second = taught(settings)
    second.take_arrays(first.to_arrays())
    for number in range(60, 120):
        visit(one, settings, number)
        visit(second, settings, number)
    later(one, 120)
    later(second, 120)
    whole, resumed = one.to_arrays(), second.to_arrays()
    assert whole.keys() == resumed.keys()
    assert all(np.array_equal(resumed[name], array) for name, array in whole.items() if "posterior" in name)


def test_a_forgotten_visitor_s_open_trials_go(settings: Settings) -> None:
    pupil = taught(settings)
    visit(pupil, settings, 1)
    pupil.forget(SHOP, "v1")
    assert b"v1" not in b"".join(bytes(array) for array in pupil.to_arrays().values())


def test_little_news_is_not_published_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    pupil = taught(settings)
    for number in range(300):
        visit(pupil, settings, number)
    later(pupil, 300)
    before = draws_store.load(settings.live, SHOP)
    visit(pupil, settings, 20_000)
    later(pupil, 20_000)
    after = draws_store.load(settings.live, SHOP)
    assert before is not None and after is not None
    assert after.draws.id == before.draws.id
    monkeypatch.setattr(teacher, "MOVED", 0.0)
    visit(pupil, settings, 30_000)
    later(pupil, 30_000)
    again = draws_store.load(settings.live, SHOP)
    assert again is not None
    assert again.draws.id != before.draws.id


def test_a_changed_policy_keeps_what_was_learned_and_other_rewards_begin_anew(settings: Settings) -> None:
    pupil = taught(settings)
    for number in range(200):
        visit(pupil, settings, number)
    later(pupil, 200)
    path = settings.policies / f"{SHOP}.yaml"
    more = [action(name, value=5, cost=0) for name in ("new", "good", "bad")]
    path.write_text(text_of(*more))
    later(pupil, 201)
    found = draws_store.load(settings.live, SHOP)
    assert found is not None
    assert found.facts.actions == ("new", "good", "bad")
    assert found.draws.mean[1, 2] > found.draws.mean[2, 2] + 0.05
    path.write_text(text_of(*more, reward={"revenue": 1}))
    later(pupil, 202)
    for number in range(300, 330):
        visit(pupil, settings, number)
    later(pupil, 330)
    anew = draws_store.load(settings.live, SHOP)
    assert anew is not None
    assert anew.facts.trials <= 31


def test_until_there_is_data_nothing_is_published(settings: Settings) -> None:
    pupil = taught(settings)
    visit(pupil, settings, 1)
    later(pupil, 1)
    assert draws_store.load(settings.live, SHOP) is None


def test_a_shop_without_a_policy_file_learns_nothing_and_breaks_nothing(settings: Settings) -> None:
    pupil = taught(settings)
    visit(pupil, settings, 1)
    (settings.policies / f"{SHOP}.yaml").unlink()
    later(pupil, 2)
    event(pupil, "view_promotion", 5, NOW, action="x", decision_id="nobody")
    assert draws_store.load(settings.live, SHOP) is None


def test_damaged_draws_are_refused(settings: Settings) -> None:
    pupil = taught(settings)
    for number in range(50):
        visit(pupil, settings, number)
    later(pupil, 50)
    folder = settings.live / draws_store.FOLDER / SHOP
    (table,) = (folder / (folder / "CURRENT").read_text().strip()).glob("table.npy")
    table.write_bytes(table.read_bytes()[:-4] + b"\x00\x00\x80\x7f")
    with pytest.raises(InvalidSnapshot):
        draws_store.load(settings.live, SHOP)
    assert draws_store.archived(settings.home / ARCHIVE, "../../etc/passwd") is None


def test_draws_of_another_policy_do_not_fit(settings: Settings) -> None:
    policy = load_policy(policy_text(), "p.yaml")
    draws = Draws.of(np.zeros((2, N_EFFECTS, 4), np.float32))
    facts = draws_store.DrawsFacts(draws.id, SHOP, policy.version, ("good", "bad"), 30, 1)
    draws_store.publish(settings.live, settings.home / ARCHIVE, draws, facts)
    found = draws_store.load(settings.live, SHOP)
    assert found is not None
    assert found.fit(policy)
    assert not found.fit(load_policy(policy_text(currency="USD"), "p.yaml"))


def test_margins_come_from_the_lake_s_catalog(settings: Settings) -> None:
    path = settings.policies / f"{SHOP}.yaml"
    path.write_text(policy_text(reward={"margin": 1}))
    write_catalog(settings.lake, SHOP, [Product("a", margin=7.0)])
    pupil = taught(settings)
    visit(pupil, settings, 1)
    pupil.look(time.monotonic(), force=True)
    event(pupil, "purchase", 1, NOW + 9000, item_id="a", quantity=2, order_id="more")
    (ended,) = pupil._shops[SHOP].credit.settle(NOW + 3 * HOUR)
    assert ended.reward == 14.0
    (settings.lake / "catalog" / f"shop={SHOP}.ndjson").write_text("{")
    visit(pupil, settings, 2)
    pupil.look(time.monotonic(), force=True)
