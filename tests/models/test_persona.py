"""Personas at a decision: a pure function of the tail, from bytes that are checked."""

from dataclasses import replace

import numpy as np
import pytest

from features.events import Row
from features.record import pack
from features.tail import ordered
from models.persona import NONE_YET, InvalidPersonas, Personas, loads, nearest
from models.persona_traits import (
    COMPARES,
    EVENING,
    MAIL,
    N_TRAITS,
    NAMES,
    OFFICE,
    PACE,
    PHONE,
    PRICE,
    PRODUCTS,
    SPAN,
    UNITS,
    VISITS,
    WEEKEND,
    traits,
    traits_of_log,
)  # fmt: skip

MONDAY_MS = 1_767_571_200_000  # 2026-01-05 00:00 UTC
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def tail(*events: tuple[float, str, str], **shared: object) -> np.ndarray:
    """Events at hours after Monday midnight: (hour, kind, item)."""
    rows = [
        Row("s", "v", f"e{n}", round(MONDAY_MS + hour * HOUR_MS), kind, item_id=item, **shared)  # type: ignore[arg-type]
        for n, (hour, kind, item) in enumerate(events)
    ]
    return ordered(pack(rows))


def value(records: np.ndarray, trait: int, **options: float) -> float:
    return float(traits(records, **options)[0][trait])


def simple(k: int = 2) -> Personas:
    """Told apart by the evening alone."""
    weight, centres = np.zeros(N_TRAITS), np.zeros((k, N_TRAITS))
    weight[EVENING] = 1.0
    centres[:, EVENING] = np.linspace(0, 1, k)
    names = tuple(["by-day", "by-night", "c", "d"][:k])
    return Personas("s", names, np.zeros(N_TRAITS), np.ones(N_TRAITS), weight, centres)


# traits


def test_hours_and_days_are_those_of_the_shop() -> None:
    late = tail((23, "view_item", "a"), (23.1, "view_item", "b"))
    assert value(late, EVENING) == 1.0
    assert value(late, EVENING, utc_offset_h=2.0) == 0.0
    assert value(tail((10, "view_item", "a")), OFFICE) == 1.0
    assert value(tail((5 * 24 + 10, "view_item", "a")), OFFICE) == 0.0
    assert value(tail((5 * 24 + 10, "view_item", "a")), WEEKEND) == 1.0


def test_a_reload_and_a_return_are_both_views_of_a_product_seen_before() -> None:
    assert value(
        tail((0, "view_item", "a"), (0.1, "view_item", "b"), (0.2, "view_item", "a")), COMPARES
    ) == pytest.approx(1 / 3)


def test_sessions_and_the_days_between_are_counted() -> None:
    records = tail((0, "view_item", "a"), (72, "view_item", "a"))
    assert value(records, VISITS) == pytest.approx(np.log(2))
    assert value(records, SPAN) == pytest.approx(np.log(4))


def test_what_is_unknown_is_nan() -> None:
    values, _ = traits(tail((0, "page_view", "")))
    assert all(np.isnan(values[at]) for at in (PACE, COMPARES, PRICE, UNITS, MAIL, PHONE))


def test_where_from_is_the_share_of_sessions() -> None:
    mail = tail((0, "view_item", "a"), channel="email", device="mobile")
    later = pack([Row("s", "v", "z", MONDAY_MS + DAY_MS, "view_item", item_id="a", channel="direct", device="desktop")])
    values, _ = traits(np.concatenate([mail, later]))
    assert (values[MAIL], values[PHONE]) == (0.5, 0.5)


def test_buying_is_no_trait() -> None:
    looks = [(0.0, "view_item", "a"), (0.1, "view_item", "b")]
    with_order, without = traits(tail(*looks, (0.2, "purchase", "a")))[0], traits(tail(*looks, (0.2, "login", "")))[0]
    np.testing.assert_array_equal(with_order, without)


def test_our_own_messages_are_no_steps() -> None:
    looks = [(0.0, "view_item", "a"), (0.2, "view_item", "b")]
    shown, steps = traits(tail(*looks, (0.1, "view_promotion", "")))
    np.testing.assert_array_equal(shown, traits(tail(*looks))[0])
    assert steps == 2


def test_a_log_gives_each_visitor_the_traits_of_their_tail() -> None:
    tails = [tail(*[(n * 0.1 + v, "view_item", f"i{n % (v + 1)}") for n in range(1 + 90 * v)]) for v in range(5)]
    bounds = np.cumsum([0, *map(len, tails)]).astype(np.int64)
    values, steps = traits_of_log(np.concatenate(tails), bounds)
    assert len(tails[4]) > 256 or steps[4] == len(tails[4])
    for own, row, count in zip(tails, values, steps, strict=True):
        np.testing.assert_array_equal(traits(own)[0], row)
        assert traits(own)[1] == count


def test_an_empty_tail_has_no_steps() -> None:
    assert traits(tail())[1] == 0


# assignment


def test_the_nearest_centre_is_the_persona() -> None:
    personas = simple()
    assert personas.of(tail(*[(20 + n / 10, "view_item", "a") for n in range(3)])) == "by-night"
    assert personas.of(tail(*[(9 + n / 10, "view_item", "a") for n in range(3)])) == "by-day"


def test_who_did_too_little_has_none_yet() -> None:
    assert simple().of(tail((20, "view_item", "a"), (20.1, "view_item", "b"))) == NONE_YET


def test_of_equally_near_ones_it_is_the_first() -> None:
    assert nearest(np.array([[0.5]]), np.array([[0.0], [1.0]]))[0].tolist() == [0]


def test_an_unknown_trait_lies_in_the_middle() -> None:
    personas = simple()
    values = np.full((1, N_TRAITS), np.nan)
    assert np.all(personas.points(values) == 0.0)


def test_codes_of_many_are_the_names_of_each() -> None:
    personas = simple(4)
    tails = [tail(*[(v * 3 + n, "view_item", "a") for n in range(4)]) for v in range(7)]
    bounds = np.cumsum([0, *map(len, tails)]).astype(np.int64)
    codes = personas.codes(*traits_of_log(np.concatenate(tails), bounds))
    assert [personas.names[code] for code in codes] == [personas.of(one) for one in tails]


# bytes


def test_bytes_come_back_the_same() -> None:
    personas = replace(simple(3), told={"verdict": "stable"})
    again = loads(personas.dumps())
    assert again.dumps() == personas.dumps() and again.id == personas.id
    assert again.names == personas.names


@pytest.mark.parametrize(
    "change", [b"{}", b"nonsense", b'{"version":9', b"[]", b""],
)  # fmt: skip
def test_bytes_that_are_no_personas_are_refused(change: bytes) -> None:
    with pytest.raises(InvalidPersonas):
        loads(change)


def test_personas_of_other_traits_are_refused() -> None:
    data = simple().dumps().replace(NAMES[0].encode(), b"gone")
    with pytest.raises(InvalidPersonas, match="other traits"):
        loads(data)


@pytest.mark.parametrize(
    "wrong",
    [{"names": ("a", "a")}, {"names": ("a",)}, {"names": ("", "b")}, {"spread": np.zeros(N_TRAITS)},
     {"middle": np.full(N_TRAITS, np.nan)}, {"centres": np.zeros((2, 3))}, {"weight": -np.ones(N_TRAITS)}],
)  # fmt: skip
def test_personas_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidPersonas):
        replace(simple(), **wrong)  # type: ignore[arg-type]


def test_products_are_counted_once_each() -> None:
    assert value(
        tail((0, "view_item", "a"), (0.1, "view_item", "a"), (0.2, "view_item", "b")), PRODUCTS
    ) == pytest.approx(np.log(3))
