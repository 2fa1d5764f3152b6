"""Logs nobody has seen before: other columns, names, times, separators, decimals; what cannot be told is asked for."""

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.importing import T0, brief, opened, rejects_of, rows_of
from training.importers import Unclear, Unreadable

PLAIN = f"ts,uid,action,sku\n{T0},u1,view,a\n{T0 + 1},u1,cart,a\n{T0 + 2},u1,buy,a\n"
EXPECTED = [("u1", T0, "view_item", "a"), ("u1", T0 + 1, "add_to_cart", "a"), ("u1", T0 + 2, "purchase", "a")]


def seen(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return brief(rows, "visitor_id", "ts_ms", "event", "item_id")


@pytest.mark.parametrize(
    "header",
    [
        "timestamp,visitor_id,event,item_id",
        "TS,User ID,Event Type,Product-ID",
        "event_time,client_id,action,sku",
        "datetime,user_pseudo_id,type,aid",
        "created_at,session_id,behavior,article_id",
        "Zeitpunkt,Kundennummer,Ereignis,Artikelnummer",
        "my_time_column,shop_customer_no,what_event,the_product_key",
    ],
)
def test_columns_are_found_under_many_names(tmp_path: Path, header: str) -> None:
    assert seen(rows_of(opened(tmp_path / "e.csv", PLAIN.replace("ts,uid,action,sku", header)))) == EXPECTED


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path: Path, separator: str) -> None:
    assert seen(rows_of(opened(tmp_path / "e.csv", PLAIN.replace(",", separator)))) == EXPECTED


def test_a_separator_can_be_said(tmp_path: Path) -> None:
    assert seen(rows_of(opened(tmp_path / "e.csv", PLAIN.replace(",", "~"), separator="~"))) == EXPECTED


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_line_ends_and_encodings(tmp_path: Path, end: str, encoding: str) -> None:
    text = PLAIN.replace(",a\n", ",größe\n").replace("\n", end).encode(encoding)
    assert {row["item_id"] for row in rows_of(opened(tmp_path / "e.csv", text))} == {"größe"}


def test_compression_is_told_by_the_bytes(tmp_path: Path) -> None:
    data = PLAIN.encode()
    with zipfile.ZipFile(tmp_path / "z", "w") as archive:
        archive.writestr("log.csv", data)
    zst = pa.compress(data, codec="zstd", asbytes=True)
    for packed in (gzip.compress(data), bz2.compress(data), lzma.compress(data), zst, (tmp_path / "z").read_bytes()):
        assert seen(rows_of(opened(tmp_path / "e.csv", packed))) == EXPECTED


def test_ndjson_json_parquet_and_csv_give_the_same_events(tmp_path: Path) -> None:
    records = [{"ts": t, "uid": v, "action": e, "sku": i, "price": 2.5} for v, t, e, i in EXPECTED]
    (tmp_path / "n").write_text("\n\n".join(json.dumps(record) for record in records))
    (tmp_path / "j").write_text(json.dumps(records, indent=2))
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "p")
    lines = "".join(f"{t},{v},{e},{i},2.5\n" for v, t, e, i in EXPECTED)
    (tmp_path / "c").write_text("ts,uid,action,sku,price\n" + lines)
    found = [rows_of(opened(tmp_path / name)) for name in "njpc"]
    assert found[0] == found[1] == found[2] == found[3]
    assert seen(found[0]) == EXPECTED


def test_parquet_of_any_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "time": pa.array([T0, T0 + 1], pa.timestamp("ms")),
            "user": pa.array([1.0, None]),
            "session": pa.array([10, 11]),
            "type": pa.array(["clicks", "orders"]).dictionary_encode(),
            "aid": pa.array([5, 6], pa.int32()),
            "price": pa.array([1.25, 0.0]),
        }
    )
    pq.write_table(table, tmp_path / "p")
    assert brief(rows_of(opened(tmp_path / "p")), "visitor_id", "ts_ms", "event", "item_id", "price") == [
        ("1", T0, "view_item", "5", 1.25),
        ("s:11", T0 + 1, "purchase", "6", None),
    ]


def test_sessions_with_their_events_inside(tmp_path: Path) -> None:
    sessions = {"session": 3, "events": [{"aid": 1, "ts": T0, "type": "clicks"}, {"aid": 2, "ts": T0, "type": "carts"}]}
    assert seen(rows_of(opened(tmp_path / "otto.jsonl", json.dumps(sessions)))) == [
        ("3", T0, "view_item", "1"),
        ("3", T0, "add_to_cart", "2"),
    ]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1433138409", 1_433_138_409_000),
        ("1433138409.198", T0),
        ("1433138409198", T0),
        ("1433138409198000", T0),
        ("1433138409198000000", T0),
        ("2015-06-01 06:00:09.198", T0),
        ("2015-06-01T06:00:09.198Z", T0),
        ("2015-06-01T08:00:09.198+02:00", T0),
        ("2015-06-01 00:30:09.198 -0530", T0),
        ("2015-06-01 06:00:09.198 UTC", T0),
        ("2015-06-01 06:00:09", 1_433_138_409_000),
        ("2015/06/01 06:00", 1_433_138_400_000),
        ("2015-06-01", 1_433_116_800_000),
        ("20150601", 1_433_116_800_000),
        ("20150601060009", 1_433_138_409_000),
        ("01.06.2015 06:00:09", 1_433_138_409_000),
        ("31/05/2015 06:00", 1_433_052_000_000),
        ("5/31/2015 6:00 PM", 1_433_095_200_000),
    ],
)
def test_times_of_every_kind(tmp_path: Path, text: str, ms: int) -> None:
    reader = opened(tmp_path / "e.csv", f"time;visitor;event;item\n{text};v;view;i\n")
    assert [row["ts_ms"] for row in rows_of(reader)] == [ms]


def test_kinds_of_iso_time_may_be_mixed(tmp_path: Path) -> None:
    times = ["2015-06-01 06:00:09", "2015-06-01T06:00:10Z", "2015-06-01T08:00:11+02:00", "2015-06-01"]
    text = "time,visitor,event,item\n" + "".join(f"{t},v,view,i\n" for t in times)
    assert [row["ts_ms"] - 1_433_116_800_000 for row in rows_of(opened(tmp_path / "e.csv", text))] == [
        21_609_000,
        21_610_000,
        21_611_000,
        0,
    ]


def test_a_date_and_a_clock_or_an_offset_are_one_time(tmp_path: Path) -> None:
    reader = opened(tmp_path / "a.csv", "date,time,visitor,event,item\n2015-06-01,06:00:09.198,v,view,i\n")
    assert seen(rows_of(reader)) == [("v", T0, "view_item", "i")]
    text = "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n"
    reader = opened(tmp_path / "train-item-views.csv", text)
    assert seen(rows_of(reader)) == [("1", 1_462_752_526_309, "view_item", "81766")]


def test_a_date_that_can_be_read_two_ways_is_asked_for(tmp_path: Path) -> None:
    text = "time,visitor,event,item\n01/02/2015 10:00,v,view,i\n"
    with pytest.raises(Unclear, match="Day or month first") as asked:
        opened(tmp_path / "e.csv", text)
    assert "--time-format" in asked.value.hint
    assert rows_of(opened(tmp_path / "e.csv", text, time_format="day-first"))[0]["ts_ms"] == 1_422_784_800_000
    assert rows_of(opened(tmp_path / "e.csv", text, time_format="month-first"))[0]["ts_ms"] == 1_420_192_800_000
    said = opened(tmp_path / "e.csv", text.replace("01/02/2015", "1 Feb 2015"), time_format="%d %b %Y %H:%M")
    assert rows_of(said)[0]["ts_ms"] == 1_422_784_800_000


def test_a_log_of_clicks_alone_is_a_log_of_views(tmp_path: Path) -> None:
    reader = opened(tmp_path / "e.csv", f"session_id,ts,item_id\ns,{T0},i\n")
    assert seen(rows_of(reader)) == [("s", T0, "view_item", "i")]
    said = opened(tmp_path / "e.csv", every_row="add_to_cart")
    assert seen(rows_of(said)) == [("s", T0, "add_to_cart", "i")]


def test_without_event_names_a_row_with_an_order_is_a_purchase(tmp_path: Path) -> None:
    text = f"customer_id,ts,sku,order_id\nc,{T0},i,\nc,{T0 + 1},i,o9\n"
    assert brief(rows_of(opened(tmp_path / "e.csv", text)), "event", "order_id") == [
        ("view_item", ""),
        ("purchase", "o9"),
    ]


def test_the_user_is_the_visitor_and_the_session_fills_in(tmp_path: Path) -> None:
    text = f"user_id,session_id,ts,event,item_id\nu,s1,{T0},view,i\n,s2,{T0},view,i\nNULL,s3,{T0},view,i\n"
    assert [row["visitor_id"] for row in rows_of(opened(tmp_path / "e.csv", text))] == ["u", "s:s2", "s:s3"]


def test_a_visitor_beside_a_user_makes_the_user_known(tmp_path: Path) -> None:
    text = f"client_id,user_id,ts,event,item_id\nc,u,{T0},view,i\nc,,{T0 + 1},view,i\n"
    assert brief(rows_of(opened(tmp_path / "e.csv", text)), "visitor_id", "user_id") == [("c", "u"), ("c", "")]


def test_columns_without_names_are_told_by_their_values(tmp_path: Path) -> None:
    text = "1,2268318,2520377,pv,1511544070\n1,2268318,2520377,cart,1511544071\n2,5,6,fav,1511544072\n"
    assert brief(
        rows_of(opened(tmp_path / "UserBehavior.csv", text)), "visitor_id", "item_id", "category", "event"
    ) == [
        ("1", "2268318", "2520377", "view_item"),
        ("1", "2268318", "2520377", "add_to_cart"),
        ("2", "5", "6", "add_to_wishlist"),
    ]
    said = opened(tmp_path / "UserBehavior.csv", fields="visitor=2,item=1,event=4,time=5")
    assert brief(rows_of(said), "visitor_id", "item_id")[0] == ("2268318", "1")


def test_a_mapping_wins_over_names(tmp_path: Path) -> None:
    text = f"time,visitor,event,item,x\n{T0},v,view,i,other\n"
    reader = opened(tmp_path / "e.csv", text, fields="item=x")
    assert seen(rows_of(reader)) == [("v", T0, "view_item", "other")]
    assert reader.plan.unused == ("item",)


def test_what_a_mapping_names_wrongly_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unclear, match=r"no column 'skuu'.*'sku'") as refused:
        opened(tmp_path / "e.csv", PLAIN, fields="item=skuu")
    assert "ts (1433138409198" in refused.value.hint
    with pytest.raises(Unclear, match=r"no field 'itm'.*'item'"):
        opened(tmp_path / "e.csv", PLAIN, fields="itm=sku")
    with pytest.raises(Unclear, match="not NAME=VALUE"):
        opened(tmp_path / "e.csv", PLAIN, fields="sku")
    with pytest.raises(Unclear, match="'sold' is no event"):
        opened(tmp_path / "e.csv", PLAIN, events="buy=sold")


def test_event_names_can_be_said_left_out_or_made_custom(tmp_path: Path) -> None:
    text = "time,visitor,event,item\n" + "".join(
        f"{T0 + i},v,{e},i\n" for i, e in enumerate(["1", "2", "9", "spin", "view"])
    )
    reader = opened(tmp_path / "e.csv", text, events="1=view_item,2=purchase,9=-,spin=custom")
    assert brief(rows_of(reader), "event", "name") == [
        ("view_item", ""),
        ("purchase", ""),
        ("custom", "spin"),
        ("view_item", ""),
    ]
    assert rejects_of(reader) == {"skipped_event": 1}


def test_a_log_of_which_no_event_name_is_known_is_refused_with_the_way_out(tmp_path: Path) -> None:
    text = f"time,visitor,event,item\n{T0},v,zig,i\n{T0},v,zag,i\n"
    with pytest.raises(Unclear, match="None of the event names in column 'event' is known: 'z") as refused:
        opened(tmp_path / "e.csv", text)
    assert "--event-map" in refused.value.hint


def test_clicks_beside_views_are_select_item_and_checkout_beside_purchases_begins_one(tmp_path: Path) -> None:
    def kinds(*names: str) -> list[str]:
        text = "time,visitor,event,item\n" + "".join(f"{T0 + i},v,{name},i\n" for i, name in enumerate(names))
        return [row["event"] for row in rows_of(opened(tmp_path / "e.csv", text))]

    assert kinds("click", "checkout") == ["view_item", "purchase"]
    assert kinds("view", "click", "checkout", "purchase") == ["view_item", "select_item", "begin_checkout", "purchase"]


def test_a_view_without_an_item_is_a_page_view(tmp_path: Path) -> None:
    reader = opened(tmp_path / "e.csv", f"time,visitor,event,item\n{T0},v,pageview,\n{T0},v,pageview,i\n{T0},v,cart,\n")
    assert [row["event"] for row in rows_of(reader)] == ["page_view", "view_item", "add_to_cart"]
    assert reader.counts.warnings["no_item"] == 2


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (["12,50", "1.234,50", "3,00", "7"], [12.5, 1234.5, 3.0, 7.0]),
        (["12.50", "1,234.50", "1e2", "7"], [12.5, 1234.5, 100.0, 7.0]),
        (["€ 12,50", "12,50 EUR", "5,20"], [12.5, 12.5, 5.2]),
        (["$12.50", "USD 9.99"], [12.5, 9.99]),
    ],
)
def test_decimals_are_told_from_the_prices(tmp_path: Path, prices: list[str], expected: list[float]) -> None:
    text = "time;visitor;event;item;price\n" + "".join(f"{T0 + i};v;buy;i;{p}\n" for i, p in enumerate(prices))
    assert [row["price"] for row in rows_of(opened(tmp_path / "e.csv", text))] == expected


def test_a_bad_price_or_quantity_is_unknown_and_counted_not_rejected(tmp_path: Path) -> None:
    values = [("-5", "1"), ("free", "x"), ("inf", "2"), ("9.5", "-1"), ("", ""), ("1e13", "0")]
    text = "time,visitor,event,item,price,qty\n" + "".join(
        f"{T0 + i},v,buy,i,{p},{q}\n" for i, (p, q) in enumerate(values)
    )
    reader = opened(tmp_path / "e.csv", text)
    assert brief(rows_of(reader), "price", "quantity") == [
        (None, 1),
        (None, 1),
        (None, 2),
        (9.5, 1),
        (None, 1),
        (None, 1),
    ]
    assert (reader.counts.warnings["bad_price"], reader.counts.warnings["bad_quantity"]) == (4, 2)


def test_a_text_can_be_said_to_mean_missing(tmp_path: Path) -> None:
    text = f"time,visitor,event,item,category\n{T0},v,view,i,-1\n{T0},v,view,i,7\n"
    reader = opened(tmp_path / "e.csv", text, missing="category=-1")
    assert [row["category"] for row in rows_of(reader)] == ["", "7"]


def test_ids_that_were_floats_are_whole_numbers_again(tmp_path: Path) -> None:
    text = f"time,visitor,event,item,order\n{T0},12.0,buy,7.0,22.0\n{T0},v1.0,buy,1.5,x\n"
    assert brief(rows_of(opened(tmp_path / "e.csv", text)), "visitor_id", "item_id", "order_id") == [
        ("12", "7", "22"),
        ("v1.0", "1.5", "x"),
    ]


def test_an_id_of_the_log_is_the_event_id_only_if_it_is_one(tmp_path: Path) -> None:
    own = f"event_id,time,visitor,event,item\ne1,{T0},v,view,i\ne2,{T0},v,view,i\n"
    assert [row["event_id"] for row in rows_of(opened(tmp_path / "e.csv", own))] == ["e1", "e2"]
    shared = f"event_id,time,visitor,event,item\ne1,{T0},v,buy,i\ne1,{T0},v,buy,j\ne1,{T0},v,buy,k\n"
    reader = opened(tmp_path / "e.csv", shared)
    assert len({row["event_id"] for row in rows_of(reader)}) == 3 and not reader.plan.id_is_unique


def test_event_ids_do_not_depend_on_columns_order_or_form(tmp_path: Path) -> None:
    first = rows_of(opened(tmp_path / "a.csv", PLAIN))
    turned = "sku;action;uid;ts\n" + "".join(f"{i};{e};{v};{t}\n" for v, t, e, i in EXPECTED)
    assert [row["event_id"] for row in rows_of(opened(tmp_path / "b.csv", turned))] == [r["event_id"] for r in first]


def test_the_event_id_of_a_row_never_changes(tmp_path: Path) -> None:
    """A later version must give the same id, or an import repeated after an upgrade would double the lake."""
    rows = rows_of(opened(tmp_path / "e.csv", PLAIN.replace("sku\n", "sku,price\n").replace(",a\n", ",a,9.99\n")))
    assert [row["event_id"] for row in rows] == EVENT_IDS


EVENT_IDS = ["bec5ef60a1e19269d6509e5b", "d71bd7b4ed8f01ba19a6d19a", "93274075fd80b7731e54dbff"]


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", Unreadable, "is empty"),
        (b" \n\n", Unreadable, "is empty"),
        (b"time,visitor,event,item\n", Unclear, "no rows"),
        (bytes(range(256)) * 50, Unreadable, "binary"),
        (b"just one column\nof text\n", Unclear, "no columns"),
        (b"PAR1" + b"x" * 100, Unreadable, "damaged Parquet"),
        (b"[1, 2, 3]", Unreadable, "no object"),
        (b'[{"a": 1}, {', Unreadable, "none"),
        (b'{"a": \n', Unreadable, "no object"),
        (gzip.compress(b"a,b\n" * 9999, mtime=0)[:60], Unreadable, "breaks off"),
        (b"colour,size,weight\nred,4,5\n", Unclear, "visitor"),
        (b"visitor,event,item\nv,view,i\n", Unclear, "time"),
        (b"time,event,item\n2015-06-01,view,i\n", Unclear, "visitor"),
        (b"visitor,time,item\nv,7,i\n", Unclear, "time"),
    ],
)
def test_what_is_no_log_is_refused_with_what_was_found(
    tmp_path: Path, data: bytes, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        opened(tmp_path / "e", data)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="not there"):
        opened(tmp_path / "nothing.csv")
    with pytest.raises(Unreadable, match="folder"):
        opened(tmp_path)
