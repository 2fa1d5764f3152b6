"""A lake that grows is followed on from where its last days begin, and gives what all of it from the start gives."""

from pathlib import Path

import pytest

from features import lakefile
from features.catalog import Product
from features.lake_catalog import write_catalog
from features.lakefile import DAY_MS
from models.arbitration import prior_draws
from models.policy import load_policy
from tests.models.deciding import NOW, action, text_of
from tests.training.visits import HOUR, MINUTE, SHOP, decided, event, kept, shown
from training import lift_follow, lift_kept
from training.attribution import Attribution
from training.learn_policy import effects
from training.lift_follow import follow
from training.trials import LakeTrials, in_batches

ALWAYS = 1 << 62
TEXT = text_of(action("x", placements=["top"], value=5), action("y", placements=["top"], value=5), currency="USD")
POLICY = load_policy(TEXT, "demo.yaml")
WEEK = load_policy(TEXT + "\nattribution: {window: 7d}\n", "demo.yaml")
DRAWS = prior_draws(POLICY)


def day(lake: Path, at: int, name: str = "a", visitors: int = 25) -> None:
    """A day of visitors, some around midnight; some order, and some give back."""
    decisions, rows = [], []
    for n in range(visitors):
        made = decided(1000 * at + n, POLICY, DRAWS, at_ms=NOW + at * DAY_MS + n * HOUR, visitor=f"v{n % 9}")
        decisions.append(kept(made))
        rows += shown(made)
        if n % 3 == 0:
            rows.append(event("purchase", made, MINUTE, order_id=f"o{at}-{n}", value=7.5))
        if n % 6 == 0:
            rows.append(event("refund", made, 3 * HOUR, order_id=f"o{at}-{n}", value=2.5))
    lakefile.write_decisions(lake, decisions, f"{name}{at}")
    lakefile.write_events(lake, rows, f"{name}{at}")


def told(found: Attribution) -> tuple[object, ...]:
    """All that the console tells, and the sums behind it, to the bit."""
    sums = {name: array.tobytes() for name, array in found.lessons.posterior.to_arrays().items()}
    return found.earned(), effects(found.lessons, found.policy), sums, found.attributed


def from_the_start(lake: Path, policy=POLICY, since_ms: int | None = None) -> tuple[object, ...]:
    found = Attribution(policy)
    trials = LakeTrials(lake, SHOP, policy, since_ms, now_ms=ALWAYS, heed=found.heed)
    for batch in in_batches(trials, lift_follow.BATCH):
        found.learn(batch)
    return told(found)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lift_follow, "BATCH", 7)
    lift_follow._kept.clear()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The days that were read."""
    days: list[int] = []
    plain = lift_follow.moments_by_day

    def counted(*about):
        for day_ms, moments in plain(*about):
            days.append(day_ms // DAY_MS - NOW // DAY_MS)
            yield day_ms, moments

    monkeypatch.setattr(lift_follow, "moments_by_day", counted)
    return days


@pytest.mark.parametrize("policy", [POLICY, WEEK], ids=["session", "week"])
def test_what_grows_day_by_day_is_told_as_if_followed_from_the_start(tmp_path: Path, policy) -> None:
    for at in range(6):
        day(tmp_path, at)
        assert told(follow(tmp_path, SHOP, policy).end(ALWAYS)) == from_the_start(tmp_path, policy)
        day(tmp_path, at, "later in the day ", visitors=3)
        assert told(follow(tmp_path, SHOP, policy).end(ALWAYS)) == from_the_start(tmp_path, policy)
    assert from_the_start(tmp_path, policy)[3] > 0


def test_only_the_last_day_is_read_again_where_the_others_stay(tmp_path: Path, read: list[int]) -> None:
    for at in range(6):
        day(tmp_path, at)
    follow(tmp_path, SHOP, POLICY)
    whole = len(read)
    follow(tmp_path, SHOP, POLICY)
    assert whole >= 6 and len(read) == whole + 1


@pytest.mark.parametrize(("changed", "again"), [(4, 3), (0, 7)])
def test_a_day_that_changed_is_read_again_with_those_after_it(
    tmp_path: Path, read: list[int], changed: int, again: int
) -> None:
    for at in range(6):
        day(tmp_path, at)
    follow(tmp_path, SHOP, POLICY)
    read.clear()
    day(tmp_path, changed, "late ", visitors=2)
    assert told(follow(tmp_path, SHOP, POLICY).end(ALWAYS)) == from_the_start(tmp_path)
    assert len(read) == again


def test_an_erased_visitor_is_gone(tmp_path: Path) -> None:
    for at in range(3):
        day(tmp_path, at)
    follow(tmp_path, SHOP, POLICY)
    assert lakefile.erase(tmp_path, SHOP, "v1")
    assert told(follow(tmp_path, SHOP, POLICY).end(ALWAYS)) == from_the_start(tmp_path)


def test_a_period_that_begins_within_a_day_and_another_catalog_have_their_own(tmp_path: Path) -> None:
    for at in range(4):
        day(tmp_path, at)
    since_ms = NOW + DAY_MS + 5 * HOUR
    for _ in range(2):
        found = follow(tmp_path, SHOP, POLICY, since_ms).end(ALWAYS)
        assert told(found) == from_the_start(tmp_path, since_ms=since_ms)
    follow(tmp_path, SHOP, POLICY)
    assert len(lift_follow._kept) == 2


def test_an_empty_lake_gives_nothing(tmp_path: Path) -> None:
    followed = follow(tmp_path, SHOP, POLICY)
    assert followed.following.counts["decisions"] == 0
    assert followed.end(ALWAYS).attributed == 0


# ---- over a restart


def restart() -> None:
    """All that a process knows is gone."""
    lift_follow._kept.clear()


@pytest.mark.parametrize("policy", [POLICY, WEEK], ids=["session", "week"])
def test_a_restart_goes_on_from_what_was_kept_and_tells_the_same_to_the_bit(
    tmp_path: Path, read: list[int], policy
) -> None:
    lake, folder = tmp_path / "lake", tmp_path / "kept"
    for at in range(6):
        day(lake, at)
    follow(lake, SHOP, policy, folder=folder)
    for grown in ("", "later in the day ", "and later "):
        if grown:
            day(lake, 5, grown, visitors=3)
        restart()
        read.clear()
        assert told(follow(lake, SHOP, policy, folder=folder).end(ALWAYS)) == from_the_start(lake, policy)
        assert len(read) <= 2  # the last day, and what is sent after midnight
    assert from_the_start(lake, policy)[3] > 0


def test_a_catalog_that_is_sent_again_changes_nothing_but_for_its_margins(tmp_path: Path, read: list[int]) -> None:
    """As a demo does at every start."""
    lake, folder = tmp_path / "lake", tmp_path / "kept"
    products = [Product("p1", price=10.0, margin=4.0)]
    for at in range(4):
        day(lake, at)
    days = []
    in_stock = [Product("p1", title="The same, with a title", price=10.0, margin=4.0)]
    for sent in (products, in_stock, [Product("p1", price=10.0, margin=5.0)]):
        write_catalog(lake, SHOP, sent)
        restart()
        read.clear()
        follow(lake, SHOP, POLICY, folder=folder)
        days.append(len(read))
    assert days[1] == 1 < days[0] == days[2]


def test_what_is_kept_can_be_read_by_this_user_only(tmp_path: Path) -> None:
    day(tmp_path / "lake", 0)
    follow(tmp_path / "lake", SHOP, POLICY, folder=tmp_path / "kept")
    (file,) = (tmp_path / "kept").iterdir()
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["cut", "turned", "other code", "emptied"])
def test_what_is_damaged_or_of_other_code_is_followed_anew(tmp_path: Path, damage: str, read: list[int]) -> None:
    lake, folder = tmp_path / "lake", tmp_path / "kept"
    for at in range(5):
        day(lake, at)
    follow(lake, SHOP, POLICY, folder=folder)
    whole = len(read)
    (file,) = folder.iterdir()
    data = file.read_bytes()
    turned = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
    other = data.replace(data.split(b" ")[1], b"0" * 16, 1)
    file.write_bytes({"cut": data[:-7], "turned": turned, "other code": other, "emptied": b""}[damage])
    restart()
    read.clear()
    assert told(follow(lake, SHOP, POLICY, folder=folder).end(ALWAYS)) == from_the_start(lake)
    assert len(read) == whole
    restart()
    read.clear()
    follow(lake, SHOP, POLICY, folder=folder)
    assert len(read) == 1  # kept again


def test_an_erased_visitor_is_gone_from_what_was_kept_as_well(tmp_path: Path) -> None:
    lake, folder = tmp_path / "lake", tmp_path / "kept"
    for at in range(3):
        day(lake, at)
    follow(lake, SHOP, POLICY, folder=folder)
    assert any(b"v1" in file.read_bytes() for file in folder.iterdir())
    assert lakefile.erase(lake, SHOP, "v1")
    restart()
    assert told(follow(lake, SHOP, POLICY, folder=folder).end(ALWAYS)) == from_the_start(lake)
    assert not any(b"v1" in file.read_bytes() for file in folder.iterdir())


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_the_keeping(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file stands there")
    day(tmp_path / "lake", 0)
    found = follow(tmp_path / "lake", SHOP, POLICY, folder=tmp_path / "kept" / "x")
    assert told(found.end(ALWAYS)) == from_the_start(tmp_path / "lake")


def test_no_more_files_are_kept_than_are_of_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lift_kept, "MOST_FILES", 2)
    day(tmp_path / "lake", 0)
    for hour in range(4):
        follow(tmp_path / "lake", SHOP, POLICY, NOW + hour * HOUR, folder=tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 2
