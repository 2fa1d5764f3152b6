"""What an import must not guess in silence, and whom two columns of people mean."""

from pathlib import Path

import pytest

from tests.training.importing import T0, Kept, brief, opened, rejects_of, rows_of
from tests.training.test_import_verb import tact
from training.importers import RejectsFile, Unclear

FOREIGN = (
    "Kunde;Artikel;Zeitpunkt;Aktion",
    "klant;artikel;tijd;actie",
    "klant;artikel;tijdstip;gebeurtenis",
    "client;produit;heure;évènement",
    "cliente;producto;fecha;acción",
    "user_id;item_id;time;behavior_type",
)


def log(header: str, *names: str) -> str:
    """One row for each event name, of one visitor and product."""
    return header + "\n" + "".join(f"k{i};a{i};{T0 + i};{name}\n" for i, name in enumerate(names))


@pytest.mark.parametrize("header", FOREIGN)
def test_an_event_column_of_unknown_values_is_never_ignored(tmp_path: Path, header: str) -> None:
    text = log(header, "angesehen", "im Warenkorb", "bestellt")
    with pytest.raises(Unclear, match="angesehen") as asked:
        opened(tmp_path / "e.csv", text)
    assert "--event-map" in asked.value.hint and "--map event=" in asked.value.hint
    said = opened(tmp_path / "e.csv", text, events="angesehen=view_item,im Warenkorb=add_to_cart,bestellt=purchase")
    assert brief(rows_of(said), "visitor_id", "event", "item_id") == [
        ("k0", "view_item", "a0"),
        ("k1", "add_to_cart", "a1"),
        ("k2", "purchase", "a2"),
    ]


def test_a_log_whose_event_column_is_none_can_say_so(tmp_path: Path) -> None:
    reader = opened(tmp_path / "e.csv", log("user;sku;ts;type", "shoe", "hat"), fields="event=")
    assert [row["event"] for row in rows_of(reader)] == ["view_item", "view_item"]


def test_the_plan_warns_of_an_unused_column_that_could_tell_what_happened(tmp_path: Path) -> None:
    text = log("user;sku;ts;was_passiert", "1", "2", "1", "3")
    assert opened(tmp_path / "e.csv", text).plan.maybe_events == ("was_passiert",)
    (tmp_path / "e.csv").write_text(text)
    shown = " ".join(tact(tmp_path, "import", str(tmp_path / "e.csv"), "--dry-run").stdout.split())
    assert "All rows become view_items. If column was_passiert tells what happened, map it" in shown
    assert "--map event=was_passiert" in shown


def test_it_warns_of_no_column_that_could_not(tmp_path: Path) -> None:
    different = log("user;sku;ts;note", "a", "b", "c")
    amounts = log("user;sku;ts;weight", "1.5", "2.5", "1.5")
    known = log("user;sku;ts;lang", "de", "fr", "de")
    alone = log("user;sku;ts;colour", "red", "red", "red")
    for text in (different, amounts, known, alone):
        assert opened(tmp_path / "e.csv", text).plan.maybe_events == ()
    assert (
        opened(tmp_path / "e.csv", log("user;sku;ts;x", "1", "2", "1"), every_row="view_item").plan.maybe_events == ()
    )


def test_rows_without_an_event_name_can_be_given_one(tmp_path: Path) -> None:
    reader = opened(tmp_path / "e.csv", log("user;sku;ts;event", "view", ""), events="(empty)=add_to_cart")
    assert [row["event"] for row in rows_of(reader)] == ["view_item", "add_to_cart"]


def test_a_session_never_gets_a_users_id(tmp_path: Path) -> None:
    text = f"user_id,session_id,ts,event,item_id\n7,1,{T0},view,i\n,7,{T0 + 1},view,i\n"
    reader = opened(tmp_path / "e.csv", text)
    assert [row["visitor_id"] for row in rows_of(reader)] == ["7", "s:7"]


@pytest.mark.parametrize("user", ["", "NULL"])
def test_sessions_keep_their_ids_where_no_row_has_a_user(tmp_path: Path, user: str) -> None:
    text = f"user_id,session_id,ts,event,item_id\n{user},1,{T0},view,i\n{user},7,{T0 + 1},view,i\n"
    assert [row["visitor_id"] for row in rows_of(opened(tmp_path / "e.csv", text))] == ["1", "7"]


def test_a_zero_byte_rejects_its_line_and_its_line_number_can_be_written(tmp_path: Path) -> None:
    text = f"time,visitor,event,item\n{T0},v,view,i\n{T0},v,vi\0ew,i\n"
    sink = RejectsFile(tmp_path / "r.ndjson")
    reader = opened(tmp_path / "e.csv", text)
    assert len(rows_of(reader, sink)) == 1
    sink.close()
    assert rejects_of(reader) == {"malformed_line": 1}
    assert '"row": 3' in sink.path.read_text()


def test_a_log_of_malformed_lines_alone_says_how_many_and_why(tmp_path: Path) -> None:
    quoted = "time,visitor,event,item,note\n" + f'{T0},v,view,i,"two\nlines"\n' * 3
    with pytest.raises(Unclear, match=r"no rows: 6 lines are malformed .*a line break within quotes.* line 2") as asked:
        opened(tmp_path / "e.csv", quoted)
    assert "without line breaks" in asked.value.hint
    with pytest.raises(Unclear, match=r"no rows: 1 line is malformed \(not 4 fields\)"):
        opened(tmp_path / "e.csv", f"time,visitor,event,item\n{T0},v,view\n")


@pytest.mark.parametrize("form", ["%Y-%m-%d %M", "day_first", "ns2", "%d.%m.%Y", "%Q"])
def test_a_time_format_that_reads_nothing_is_refused(tmp_path: Path, form: str) -> None:
    text = "time,visitor,event,item\n2015-06-01 06:00,v,view,i\n"
    with pytest.raises(Unclear, match="--time-format") as asked:
        opened(tmp_path / "e.csv", text, time_format=form)
    assert "day-first" in asked.value.hint


def test_a_time_format_of_hours_alone_is_read(tmp_path: Path) -> None:
    text = "time,visitor,event,item\n2015/06/01 6h,v,view,i\n"
    reader = opened(tmp_path / "e.csv", text, time_format="%Y/%m/%d %Hh")
    assert [row["ts_ms"] for row in rows_of(reader, Kept())] == [1_433_138_400_000]
