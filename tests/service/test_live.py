"""A snapshot is taken whole or refused with its reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from features.events import Row
from service import snapshots, stream
from service.live import Facts, InvalidSnapshot, load_live
from service.shop_state import ShopState


def publish(live: Path, views: int = 1, shop: str = "demo") -> int:
    state = ShopState()
    for number in range(views):
        row = Row("demo", "v", f"e{number}", 1000 + number, "view_item", item_id=f"i{number}")
        state.take(stream.decode_lines(stream.encode_event([row])[b"v"]))
    facts = Facts(shop, state.as_of_ms, state.events, 0, views, {"log:{p00}": "1-0"})
    return snapshots.publish(live / "demo", state.published(), {f: getattr(facts, f) for f in facts.__struct_fields__})


def test_a_shop_without_a_snapshot_has_none(tmp_path: Path) -> None:
    assert load_live(tmp_path, "demo") is None


def test_what_was_published_is_mapped_and_read_only(tmp_path: Path) -> None:
    publish(tmp_path, 3)
    live = load_live(tmp_path, "demo")
    assert live is not None
    assert (live.seq, live.as_of_ms, live.facts.cursor) == (1, 1002, {"log:{p00}": "1-0"})
    assert len(live.index) == 3 and live.stats.items.size == 4
    assert live.index.scores.base is not None and not live.index.scores.flags.writeable


def test_the_last_three_stay_and_a_mapped_one_outlives_its_files(tmp_path: Path) -> None:
    publish(tmp_path, 2)
    first = load_live(tmp_path, "demo")
    assert first is not None
    before = np.array(first.index.scores)
    for views in (3, 4, 5, 6):
        publish(tmp_path, views)
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "0000000003",
        "0000000004",
        "0000000005",
        "CURRENT",
    ]
    np.testing.assert_array_equal(first.index.scores, before)
    newest = load_live(tmp_path, "demo")
    assert newest is not None and newest.seq == 5


def cut_array(folder: Path) -> None:
    path = folder / "index_scores.npy"
    path.write_bytes(path.read_bytes()[:-3])


def flip_bit(folder: Path) -> None:
    path = folder / "stats_counts.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def other_seq(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"seq": 9}))


def other_format(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))


def missing_facts(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"facts": {}}))


def unlisted_array(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["stats_items"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_array, "index_scores.npy is damaged"),
        (flip_bit, "stats_counts.npy is damaged"),
        (lambda folder: (folder / "stats_items.npy").unlink(), "stats_items.npy"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"{"), "manifest.json"),
        (lambda folder: (folder.parent / "CURRENT").write_bytes(b"../../etc"), "does not name a snapshot"),
        (lambda folder: (folder.parent / "CURRENT").write_bytes(b"77"), "0000000077"),
        (shutil.rmtree, "manifest.json"),
        (other_seq, "is of snapshot 9"),
        (other_format, "format 99"),
        (missing_facts, "missing required field"),
        (unlisted_array, "KeyError: 'items'"),
    ],
)
def test_a_damaged_snapshot_is_refused_with_its_reason(
    tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    publish(tmp_path, 3)
    damage(tmp_path / "demo" / "0000000001")
    with pytest.raises(InvalidSnapshot, match=reason.replace("'", "['\"]")):
        load_live(tmp_path, "demo")


def test_a_snapshot_of_another_shop_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, shop="other")
    with pytest.raises(InvalidSnapshot, match="is of other"):
        load_live(tmp_path, "demo")


def test_a_publication_that_broke_off_leaves_the_current_one_and_the_next_succeeds(tmp_path: Path) -> None:
    publish(tmp_path, 2)
    half = tmp_path / "demo" / ".tmp"
    half.mkdir()
    (half / "stats_items.npy").write_bytes(b"half")
    (tmp_path / "demo" / "0000000002").mkdir()  # renamed, but not yet pointed to
    live = load_live(tmp_path, "demo")
    assert live is not None and live.seq == 1
    assert publish(tmp_path, 3) == 3
    assert not half.exists()
