import json
from pathlib import Path

import pytest

from models.bundle import InvalidBundle, load, write
from models.registry import NothingBefore, Registry, UnknownBundle
from tests.models.bundles import parts


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def bundle(tmp_path: Path, number: int) -> Path:
    folder = tmp_path / f"bundle-{number}"
    write(folder, parts(number=number))
    return folder


def test_a_published_bundle_is_live_and_loads(registry: Registry, tmp_path: Path) -> None:
    identifier = registry.publish(bundle(tmp_path, 1), "shoes", "ann", "first", 1_000)
    assert registry.live("shoes") == identifier
    assert load(registry.path(identifier)).id == identifier
    assert registry.bundles() == [identifier]


def test_a_shop_of_its_own_has_none_until_the_default_has(registry: Registry, tmp_path: Path) -> None:
    assert registry.live("shoes") is None
    shared = registry.publish(bundle(tmp_path, 1), "default", "ann", "for all", 1)
    assert registry.live("shoes") == shared
    own = registry.publish(bundle(tmp_path, 2), "shoes", "ann", "its own", 2)
    assert (registry.live("shoes"), registry.live("hats")) == (own, shared)


def test_rollbacks_walk_back_through_what_was_live(registry: Registry, tmp_path: Path) -> None:
    first, second, third = (registry.publish(bundle(tmp_path, i), "s", "ann", "", i) for i in (1, 2, 3))
    assert len({first, second, third}) == 3
    assert registry.rollback("s", "bob", "worse", 4) == second
    assert registry.rollback("s", "bob", "worse still", 5) == first == registry.live("s")
    with pytest.raises(NothingBefore, match="no bundle before"):
        registry.rollback("s", "bob", "", 6)
    assert registry.live("s") == first


def test_a_rollback_of_a_shop_that_never_published_is_refused(registry: Registry) -> None:
    with pytest.raises(NothingBefore):
        registry.rollback("s", "bob", "", 1)


def test_history_keeps_who_when_and_why_and_loses_nothing(registry: Registry, tmp_path: Path) -> None:
    first = registry.publish(bundle(tmp_path, 1), "s", "ann", "nightly", 10)
    second = registry.publish(bundle(tmp_path, 2), "s", "ann", "better", 20)
    registry.rollback("s", "bob", "complaints", 30)
    assert registry.history("s") == [
        {"at_ms": 10, "action": "publish", "bundle": first, "by": "ann", "why": "nightly"},
        {"at_ms": 20, "action": "publish", "bundle": second, "by": "ann", "why": "better"},
        {"at_ms": 30, "action": "rollback", "bundle": first, "by": "bob", "why": "complaints"},
    ]


def test_an_invalid_bundle_is_refused_and_the_old_one_stays_live(registry: Registry, tmp_path: Path) -> None:
    live = registry.publish(bundle(tmp_path, 1), "s", "ann", "", 1)
    broken = bundle(tmp_path, 2)
    (broken / "stage.txt").write_text("tree\n")
    with pytest.raises(InvalidBundle, match="checksum"):
        registry.publish(broken, "s", "ann", "", 2)
    assert registry.live("s") == live
    assert len(registry.history("s")) == 1


def test_a_bundle_damaged_in_the_registry_is_not_rolled_back_to(registry: Registry, tmp_path: Path) -> None:
    first = registry.publish(bundle(tmp_path, 1), "s", "ann", "", 1)
    second = registry.publish(bundle(tmp_path, 2), "s", "ann", "", 2)
    (Path(registry.path(first)) / "items.npz").write_bytes(b"")
    with pytest.raises(InvalidBundle):
        registry.rollback("s", "bob", "", 3)
    assert registry.live("s") == second


def test_publishing_again_repairs_a_copy_that_was_cut_short(registry: Registry, tmp_path: Path) -> None:
    folder = bundle(tmp_path, 1)
    identifier = registry.publish(folder, "s", "ann", "", 1)
    (Path(registry.path(identifier)) / "items.npz").write_bytes(b"")
    registry.publish(folder, "s", "ann", "again", 2)
    assert load(registry.path(identifier)).id == identifier


def test_an_unknown_id_has_no_path(registry: Registry) -> None:
    with pytest.raises(UnknownBundle):
        registry.path("0" * 16)


def test_a_folder_under_another_bundles_id_is_refused(registry: Registry, tmp_path: Path) -> None:
    identifier = registry.publish(bundle(tmp_path, 1), "s", "ann", "", 1)
    Path(registry.path(identifier)).rename(tmp_path / "registry" / "bundles" / ("f" * 16))
    with pytest.raises(InvalidBundle, match="holds bundle"):
        registry.path("f" * 16)


@pytest.mark.parametrize("shop", ["", "..", ".hidden"])
def test_a_shop_name_that_leads_elsewhere_is_refused(registry: Registry, shop: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        registry.live(shop)


def test_a_shop_name_with_slashes_stays_inside(registry: Registry, tmp_path: Path) -> None:
    registry.publish(bundle(tmp_path, 1), "a/../../b", "ann", "", 1)
    assert [p.name for p in (tmp_path / "registry" / "live").glob("*.json")] == ["a%2F..%2F..%2Fb.json"]


def test_a_damaged_live_file_says_where_it_is(registry: Registry, tmp_path: Path) -> None:
    registry.publish(bundle(tmp_path, 1), "s", "ann", "", 1)
    path = tmp_path / "registry" / "live" / "s.json"
    path.write_text(json.dumps({})[:1])
    with pytest.raises(InvalidBundle, match=r"s\.json is damaged"):
        registry.live("s")
