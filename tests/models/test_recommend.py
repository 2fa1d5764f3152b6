from pathlib import Path

import numpy as np
import pytest

from features.record import hash64
from models.recommend import BECAUSE_POPULAR, ItemIndex, recommend
from tests.models.bundles import item_index


def test_neighbours_of_the_newest_come_first_with_the_product_that_led_there() -> None:
    found = recommend(item_index(), [hash64("item-2")], 2)
    assert [r.item_id for r in found] == ["item-3", "item-4"]
    assert {r.because for r in found} == {"item-2"}
    assert found[0].score > found[1].score > 0


def test_what_several_recent_products_lead_to_adds_up() -> None:
    found = recommend(item_index(), [hash64("item-2"), hash64("item-1")], 3)
    assert found[0].item_id == "item-3"  # two thirds from item-2 and .8 of a third from item-1
    assert found[0].score == pytest.approx(2 / 3 + 0.8 / 3)
    assert "item-2" not in [r.item_id for r in found]


def test_the_popular_fill_up_below_every_neighbour() -> None:
    found = recommend(item_index(), [hash64("item-2")], 5)
    assert [r.item_id for r in found[2:]] == ["item-0", "item-1", "item-5"]
    assert {r.because for r in found[2:]} == {BECAUSE_POPULAR}
    assert max(r.score for r in found[2:]) < found[1].score


def test_a_visitor_without_products_gets_the_popular() -> None:
    assert [r.item_id for r in recommend(item_index(), [], 2)] == ["item-0", "item-1"]
    assert [r.item_id for r in recommend(item_index(), [hash64("nobody knows it")], 2)] == ["item-0", "item-1"]


def test_an_empty_index_recommends_nothing() -> None:
    assert recommend(ItemIndex.empty(), [hash64("item-1")], 5) == ()


def test_what_two_indexes_say_is_added() -> None:
    live = ItemIndex.of(
        ["new", "item-2"],
        np.array([hash64("new"), hash64("item-2")], np.uint64),
        np.array([[-1], [0]], np.int32),
        np.array([[0.0], [3.0]], np.float32),
        np.ones(2, np.float32),
    )
    found = recommend([item_index(), live], [hash64("item-2")], 2)
    assert [(r.item_id, r.score) for r in found] == [("new", 1.0), ("item-3", pytest.approx(2 / 3))]


def test_arrays_give_the_same_answers_also_when_mapped_from_files(tmp_path: Path) -> None:
    index = item_index(50)
    for name, array in index.to_arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = ItemIndex.from_arrays({p.stem: np.load(p, mmap_mode="r") for p in tmp_path.glob("*.npy")})
    recent = [hash64("item-7"), hash64("item-40")]
    assert recommend(mapped, recent, 10) == recommend(index, recent, 10)
    assert list(mapped.ids) == list(index.ids)
    assert mapped.ids[-1] == index.ids[-1]


@pytest.mark.parametrize("name", ["hashes", "neighbours", "scores", "popularity", "ids_edges", "counts"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    arrays = dict(item_index().to_arrays())
    arrays[name] = arrays[name][:-1]
    with pytest.raises(ValueError, match="item index"):
        ItemIndex.from_arrays(arrays)


def test_scores_that_are_not_finite_are_refused() -> None:
    arrays = dict(item_index().to_arrays())
    arrays["scores"] = np.full_like(arrays["scores"], np.nan)
    with pytest.raises(ValueError, match="finite"):
        ItemIndex.from_arrays(arrays)


def test_with_returns_the_recent_products_stand_for_themselves() -> None:
    recent = [hash64("item-2"), hash64("item-0")]
    found = recommend(item_index(), recent, 4, returns=True)
    assert [r.item_id for r in found] == ["item-2", "item-0", "item-3", "item-1"]
    assert found[0].score == pytest.approx(1 + 0.8 / 3)  # itself, and .8 of a third from item-0
