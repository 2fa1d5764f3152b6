"""Known logs are recognised by their columns, and read as what they mean."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.importing import T0, brief, opened, rejects_of, rows_of
from training.importers import Unclear

RETAILROCKET = f"""timestamp,visitorid,event,itemid,transactionid
{T0},7,view,205262,
{T0 + 5},7,addtocart,205262,
{T0 + 9},7,transaction,205262,4000
{T0 + 9},7,transaction,205262,4000
"""
YOOCHOOSE = """shop,session_id,user_id,ts,event,item_id,category,price,quantity
yoochoose,22,,2014-04-06 01:29:05.969,view,21,0,,
yoochoose,22,,2014-04-06 01:30:05.969,view,21,S,,
yoochoose,22,,2014-04-06 01:31:05.969,purchase,21,0,0,0
yoochoose,22,,2014-04-06 01:31:05.969,purchase,23,0,1046,2
"""
REES46 = """event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44,210,electronics.smartphone,acme,35.79,541,72d7
2019-10-01 00:00:01 UTC,cart,44,210,,acme,35.79,541,72d7
2019-10-01 00:00:02 UTC,remove_from_cart,44,210,,acme,35.79,541,72d7
2019-10-01 00:00:03 UTC,purchase,44,210,,acme,0.00,541,72d7
"""


def ga4_event(name: str, at_us: int, **other: object) -> dict[str, object]:
    return {
        "event_date": "20201101",
        "event_timestamp": str(at_us),
        "event_name": name,
        "event_params": [{"key": "ga_session_id", "value": {"int_value": "1"}}],
        "user_pseudo_id": "100.200",
        "user_id": None,
        "device": {"category": "mobile", "language": "nl-nl"},
        "traffic_source": {"medium": "cpc", "name": "x", "source": "y"},
        "items": [],
        **other,
    }


T_US = T0 * 1000
GA4 = [
    ga4_event("session_start", T_US),
    ga4_event("page_view", T_US + 1000),
    ga4_event(
        "view_item", T_US + 2000, items=[{"item_id": "A", "item_category": "Bags", "price": 20.5, "quantity": None}]
    ),
    ga4_event(
        "purchase",
        T_US + 3000,
        user_id="u9",
        ecommerce={"transaction_id": "T1", "purchase_revenue": 61.5},
        items=[
            {"item_id": "A", "price": 20.5, "quantity": "2"},
            {"item_id": "(not set)", "item_name": "Hat", "price": 20},
        ],
    ),
    ga4_event(
        "view_search_results",
        T_US + 4000,
        event_params=[{"key": "search_term", "value": {"string_value": "red bag"}}],
    ),
    ga4_event("spin_wheel", T_US + 5000),
]


def test_retailrocket(tmp_path: Path) -> None:
    reader = opened(tmp_path / "events.csv.gz", gzip.compress(RETAILROCKET.encode()))
    rows = rows_of(reader)
    assert reader.plan.preset == "retailrocket"
    assert brief(rows, "event", "visitor_id", "item_id", "order_id", "ts_ms") == [
        ("view_item", "7", "205262", "", T0),
        ("add_to_cart", "7", "205262", "", T0 + 5),
        ("purchase", "7", "205262", "4000", T0 + 9),
    ]
    assert rejects_of(reader) == {"duplicate": 1}


def test_yoochoose_knows_that_category_0_and_price_0_are_missing(tmp_path: Path) -> None:
    reader = opened(tmp_path / "e.csv", YOOCHOOSE, shop="")
    rows = rows_of(reader)
    assert reader.plan.preset == "yoochoose"
    assert brief(rows, "shop", "event", "visitor_id", "category", "price", "quantity") == [
        ("yoochoose", "view_item", "22", "", None, 1),
        ("yoochoose", "view_item", "22", "S", None, 1),
        ("yoochoose", "purchase", "22", "", None, 1),
        ("yoochoose", "purchase", "22", "", 1046.0, 2),
    ]
    assert rows[0]["ts_ms"] == 1_396_747_745_969


def test_yoochoose_as_first_published_has_no_header(tmp_path: Path) -> None:
    clicks = "1,2014-04-07T10:51:09.277Z,214536502,0\n2,2014-04-07T10:54:09.868Z,214536500,S\n"
    reader = opened(tmp_path / "yoochoose-clicks.dat", clicks, preset="yoochoose")
    assert brief(rows_of(reader), "event", "visitor_id", "item_id", "category") == [
        ("view_item", "1", "214536502", ""),
        ("view_item", "2", "214536500", "S"),
    ]
    buys = "420374,2014-04-06T18:44:58.314Z,214537888,12462,1\n"
    reader = opened(tmp_path / "yoochoose-buys.dat", buys)
    assert brief(rows_of(reader), "event", "visitor_id", "item_id", "price", "quantity") == [
        ("purchase", "420374", "214537888", 12462.0, 1)
    ]


def test_rees46_visitor_is_the_user_and_category_the_code_or_the_id(tmp_path: Path) -> None:
    reader = opened(tmp_path / "2019-Oct.csv", REES46)
    rows = rows_of(reader)
    assert reader.plan.preset == "rees46"
    assert brief(rows, "event", "visitor_id", "user_id", "category", "price") == [
        ("view_item", "541", "", "electronics.smartphone", 35.79),
        ("add_to_cart", "541", "", "210", 35.79),
        ("remove_from_cart", "541", "", "210", 35.79),
        ("purchase", "541", "", "210", None),
    ]
    assert rows[0]["ts_ms"] == 1_569_888_000_000


def check_ga4(rows: list[dict[str, object]]) -> None:
    assert brief(rows, "event", "line", "item_id", "category", "price", "quantity") == [
        ("page_view", 0, "", "", None, 1),
        ("view_item", 0, "A", "Bags", 20.5, 1),
        ("purchase", 0, "A", "", 20.5, 2),
        ("purchase", 1, "Hat", "", 20.0, 1),
        ("search", 0, "", "", None, 1),
    ]
    assert brief(rows, "visitor_id", "device", "channel", "locale")[0] == ("100.200", "mobile", "paid", "nl-nl")
    assert brief(rows, "order_id", "value", "user_id")[2:4] == [("T1", 61.5, "u9")] * 2
    assert rows[2]["event_id"] == rows[3]["event_id"]
    assert rows[4]["query"] == "red bag"
    assert rows[0]["ts_ms"] == T0 + 1


def test_ga4_export_as_ndjson(tmp_path: Path) -> None:
    reader = opened(tmp_path / "ga4.json", "\n".join(json.dumps(event) for event in GA4))
    check_ga4(rows_of(reader))
    assert reader.plan.preset == "ga4"
    assert rejects_of(reader) == {"skipped_event": 1, "unknown_event": 1}
    assert reader.counts.unknown_names == ["spin_wheel"]


def test_ga4_export_as_parquet(tmp_path: Path) -> None:
    events = [{**event, "event_timestamp": int(str(event["event_timestamp"]))} for event in GA4]
    pq.write_table(pa.Table.from_pylist([_typed(event) for event in events]), tmp_path / "ga4.parquet")
    reader = opened(tmp_path / "ga4.parquet")
    check_ga4(rows_of(reader))
    assert rejects_of(reader) == {"skipped_event": 1, "unknown_event": 1}


def test_ga4_flattened_to_a_row_an_item(tmp_path: Path) -> None:
    flat = (
        "event_date,event_timestamp,event_name,user_pseudo_id,user_id,item_id,item_category,price,quantity,transaction_id\n"
        f"20150601,{T_US},view_item,1.2,,A,Bags,20.5,,\n20150601,{T_US + 1000},purchase,1.2,u9,A,Bags,20.5,2,T1\n"
    )
    reader = opened(tmp_path / "flat.csv", flat)
    assert reader.plan.preset == "ga4"
    assert brief(rows_of(reader), "event", "visitor_id", "user_id", "item_id", "order_id", "ts_ms") == [
        ("view_item", "1.2", "", "A", "", T0),
        ("purchase", "1.2", "u9", "A", "T1", T0 + 1),
    ]


def test_an_unknown_preset_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unclear, match="no preset 'magento'") as refused:
        opened(tmp_path / "e.csv", RETAILROCKET, preset="magento")
    assert "retailrocket" in refused.value.hint


def test_the_shared_logs_are_read_whole(shared_data: Path) -> None:
    """The account of rows is the README's: 96,754 views, 2,394 carts, 852 purchases; exact copies are duplicates."""
    reader = opened(shared_data / "retailrocket" / "events.csv.gz")
    rows_of(reader)
    assert {name: n for (name, _), n in reader.counts.names.items()} == {
        "view": 96_754,
        "addtocart": 2_394,
        "transaction": 852,
    }
    with gzip.open(shared_data / "retailrocket" / "events.csv.gz", "rb") as file:
        lines = file.read().splitlines()
    assert rejects_of(reader) == {"duplicate": len(lines) - len(set(lines))}
    reader = opened(shared_data / "yoochoose" / "events.csv.gz", shop="")
    rows = rows_of(reader)
    assert reader.counts.read == 286_000 and len({row["visitor_id"] for row in rows}) == 77_171
    assert not any(row["category"] == "0" or row["price"] == 0 for row in rows)


def _typed(event: dict[str, object]) -> dict[str, object]:
    """As BigQuery types it: every value of a parameter, every field of an item."""
    values = ("string_value", "int_value", "float_value", "double_value")
    fields = ("item_id", "item_name", "item_category")
    params, items = event["event_params"], event["items"]
    assert isinstance(params, list) and isinstance(items, list)
    return {
        "ecommerce": None,
        "user_id": None,
        **event,
        "event_params": [{"key": p["key"], "value": {v: p["value"].get(v) for v in values}} for p in params],
        "items": [
            {
                **{field: item.get(field) for field in fields},
                "price": None if item.get("price") is None else float(item["price"]),
                "quantity": None if item.get("quantity") is None else int(item["quantity"]),
            }
            for item in items
        ],
    }
