"""Rows of a log to rows of the lake, by a plan; each row that cannot be one is rejected with its reason."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from features.events import CHANNELS, DEVICES, PAGE_TYPES, REFERRERS
from features.lakefile import EVENTS
from features.record import hash64
from training.importers import money
from training.importers.names import SKIP as LEFT_OUT
from training.importers.names import VIEW, plain
from training.importers.plan import BY_ORDER, Plan, joined
from training.importers.times import EARLIEST_MS, unix_ms

MAX_ID: Final = 128
MAX_TEXT: Final = 512
MAX_LINES: Final = 100
"""As the service takes them: so a log through HTTP gives the lake's same rows."""

SKEW_MS: Final = 300_000

REASONS: Final[Mapping[str, str]] = {
    "malformed_line": "another number of fields, no JSON, not UTF-8, over 1 MiB, or quotes that do not close",
    "bad_time": "no time, or one before 1990",
    "future": "a time after this import began",
    "missing_visitor": "no visitor",
    "bad_id": "an id over 128 characters, or with characters that cannot be printed",
    "unknown_event": "an event name with no meaning here: see --event-map",
    "skipped_event": "an event left out on purpose",
    "too_many_items": "more than 100 items in one event",
    "duplicate": "the same as an earlier row in all that was read of it",
}
"""Why a row is not imported; of several reasons the first."""

WARNINGS: Final[Mapping[str, str]] = {
    "bad_price": "a price that is no amount: imported with price unknown",
    "bad_quantity": "a quantity that is no number: imported as 1",
    "bad_line": "a line number that is none: imported as 0",
    "no_item": "an event about an item without one: a view becomes page_view, others are imported as they are",
    "cut_text": "a category over 128 characters or a query over 512: cut",
}
"""What is imported all the same, and counted."""

_IDS: Final = {
    "visitor": "visitor_id",
    "user": "user_id",
    "item": "item_id",
    "order": "order_id",
    "event_id": "event_id",
}
_IDS_TOO: Final = {
    "decision": "decision_id",
    "action": "action",
    "placement": "placement",
    "name": "name",
    "locale": "locale",
}
_VOCABULARIES: Final = {"page_type": PAGE_TYPES, "channel": CHANNELS, "referrer": REFERRERS, "device": DEVICES}
_WORDS: Final[Mapping[str, str]] = {
    "organic": "organic_search",
    "none": "direct",
    "mail": "email",
    "newsletter": "email",
    "affiliate": "partner",
    **dict.fromkeys(("cpc", "ppc", "cpm", "display"), "paid"),
    "phone": "mobile",
    "smartphone": "mobile",
    "pc": "desktop",
    "computer": "desktop",
    "web": "desktop",
    "pdp": "product",
    "productdetail": "product",
    "category": "list",
    "basket": "cart",
}
_ITEM_KINDS: Final = ("view_item", "add_to_cart", "remove_from_cart", "add_to_wishlist", "select_item")
_KEY: Final = tuple(name for name in EVENTS.names if name not in ("shop", "event_id", "received_ms"))
_DIGEST: Final = np.dtype([("head", "<u8"), ("tail", "<u4")])
Digests = npt.NDArray[np.void]
_UNPRINTABLE: Final = r"[\p{C}\p{Zl}\p{Zp}]|[\p{Zs}--[ ]]"


@dataclass(frozen=True, slots=True)
class Converted:
    """The rows of one chunk.

    table: schema EVENTS; rows: the chunk's row of each; identity: a number for its shop, event and line. Shape (m,).
    reasons: for each row of the chunk why it is rejected, "" if it is not. names: (name, what it became) counts.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    identity: npt.NDArray[np.uint64]
    reasons: npt.NDArray[np.str_]
    warnings: Counter[str]
    names: Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Converter:
    """Reads rows by a plan. shop: of all rows, "" for the log's own. now_ms: later events are from the future."""

    plan: Plan
    shop: str
    default_shop: str
    now_ms: int

    def convert(self, rows: pl.DataFrame) -> Converted:
        """Read one chunk of text columns."""
        warnings: Counter[str] = Counter()
        texts = {name: self._text(rows, name) for name in self.plan.fields if name != "time"}
        empty = pl.Series([None] * len(rows), dtype=pl.String)
        kinds, names = self._kinds(rows, texts)
        columns = self._columns(texts, empty, warnings)
        columns["ts_ms"] = self._times(rows)
        raw = rows.get_column(self.plan.fields["event"][0]).str.strip_chars() if "event" in texts else None
        columns["event"], columns["name"] = self._views(kinds, raw, columns, warnings)
        reasons = self._reasons(columns)
        good = reasons == ""
        frame = pl.DataFrame({name: columns[name] for name in EVENTS.names if name in columns}).filter(good)
        key = self._key(frame)
        table = self._table(frame, key)
        return Converted(table, np.flatnonzero(good), _identity(table, key), reasons, warnings, names)

    def _text(self, rows: pl.DataFrame, name: str) -> pl.Series:
        """A field's text, null where missing; of several columns the first that has a value."""
        missing = self.plan.missing[name]
        found: pl.Series | None = None
        for column in self.plan.fields[name]:
            text = rows.get_column(column).str.strip_chars()
            text = text.set(text.is_in(missing).fill_null(value=False), None)
            if name in _IDS and text.str.ends_with(".0").any():  # an id that passed through a float column
                text = text.str.replace(r"^(\d+)\.0$", "$1")
            if name == "visitor" and column == self.plan.fills_in:
                text = "s:" + text
            found = text if found is None else found.zip_with(found.is_not_null(), text)
        assert found is not None  # a field of a plan has a column
        return found

    def _times(self, rows: pl.DataFrame) -> pl.Series:
        columns = self.plan.fields["time"]
        if self.plan.join != "offset":
            _, texts = joined(rows, columns) if self.plan.join else ("", rows.get_column(columns[0]))
            return unix_ms(texts, self.plan.time)
        offset = rows.get_column(columns[1]).str.strip_chars().cast(pl.Float64, strict=False).round()
        return unix_ms(rows.get_column(columns[0]), self.plan.time) + offset.cast(pl.Int64, strict=False)

    def _kinds(self, rows: pl.DataFrame, texts: Mapping[str, pl.Series]) -> tuple[pl.Series, Counter[tuple[str, str]]]:
        """What each row's event becomes (null: unknown), and counts by name."""
        if "event" not in texts:
            return self._unnamed(len(rows), texts), Counter()
        raw = rows.get_column(self.plan.fields["event"][0]).fill_null("").str.strip_chars()
        counts = {str(name): int(count) for name, count in raw.value_counts(name="n").iter_rows()}
        targets = {name: self.plan.kinds.target(name) for name in counts}
        kinds = raw.replace_strict(list(targets), list(targets.values()), default=None, return_dtype=pl.String)
        return kinds, Counter({(name, targets[name] or ""): count for name, count in counts.items()})

    def _unnamed(self, n: int, texts: Mapping[str, pl.Series]) -> pl.Series:
        if self.plan.every_row != BY_ORDER:
            return pl.Series([self.plan.every_row] * n, dtype=pl.String)
        ordered = texts["order"].is_not_null()
        return pl.select(pl.when(ordered).then(pl.lit("purchase")).otherwise(pl.lit(VIEW))).to_series()

    def _columns(
        self, texts: Mapping[str, pl.Series], empty: pl.Series, warnings: Counter[str]
    ) -> dict[str, pl.Series]:
        """The columns that need no other column."""
        columns = {ours: texts.get(name, empty).fill_null("") for name, ours in {**_IDS, **_IDS_TOO}.items()}
        for name in ("price", "value"):
            amount, bad = money.money(texts.get(name, empty), self.plan.decimal)
            columns[name] = amount.set((amount == 0).fill_null(value=False), None)  # in a log 0 says "not known"
            warnings["bad_price"] += int(bad.sum())
        columns["quantity"], bad = money.units(texts.get("quantity", empty), self.plan.decimal)
        warnings["bad_quantity"] += int(bad.sum())
        lines = texts.get("line", empty)
        columns["line"] = lines.cast(pl.Int32, strict=False).fill_null(0)
        warnings["bad_line"] += int((lines.is_not_null() & lines.cast(pl.Int32, strict=False).is_null()).sum())
        for name, limit in (("category", MAX_ID), ("query", MAX_TEXT)):
            text = texts.get(name, empty).fill_null("")
            warnings["cut_text"] += int((text.str.len_chars() > limit).sum())
            columns[name] = text.str.slice(0, limit)
        for name, known in _VOCABULARIES.items():
            columns[name] = _word(texts.get(name, empty), known)
        shop = pl.Series([self.shop or self.default_shop] * len(empty), dtype=pl.String)
        columns["shop"] = texts["shop"].fill_null(self.default_shop) if "shop" in texts and not self.shop else shop
        return columns

    def _views(
        self, kinds: pl.Series, raw: pl.Series | None, columns: Mapping[str, pl.Series], warnings: Counter[str]
    ) -> tuple[pl.Series, pl.Series]:
        """The kinds with views decided by whether there is an item; and the names of custom events."""
        bare = columns["item_id"] == ""
        warnings["no_item"] += int((kinds.is_in([VIEW, *_ITEM_KINDS]) & bare).sum())
        view = kinds.is_in([VIEW, "page_view"]).fill_null(value=False)
        event = kinds.set(view & bare, "page_view").set(view & ~bare, "view_item")
        if raw is None:
            return event, columns["name"]
        custom = (event == "custom").fill_null(value=False) & (columns["name"] == "")
        return event, raw.str.slice(0, MAX_ID).zip_with(custom, columns["name"])

    def _reasons(self, columns: Mapping[str, pl.Series]) -> npt.NDArray[np.str_]:
        """Why each row is rejected, "" if it is not."""
        ts_ms, event = columns["ts_ms"], columns["event"]
        tests = (
            ("bad_time", ts_ms.is_null() | (ts_ms < EARLIEST_MS)),
            ("future", ts_ms > self.now_ms + SKEW_MS),
            ("missing_visitor", columns["visitor_id"] == ""),
            ("bad_id", _bad_ids(columns)),
            ("unknown_event", event.is_null()),
            ("skipped_event", event == LEFT_OUT),
            ("too_many_items", (columns["line"] >= MAX_LINES) | (columns["line"] < 0)),
        )
        reasons = np.full(len(ts_ms), "", dtype="<U16")
        for reason, test in reversed(tests):
            reasons[test.fill_null(value=False).to_numpy()] = reason
        return reasons

    def _key(self, frame: pl.DataFrame) -> Digests:
        """The digest that identifies each row's event: of its own id where that is one, or of all its fields."""
        parts = ["event_id"] if self._own_ids else [*_KEY, "event_id"]
        text = frame.select(pl.concat_str(_as_texts(frame, parts), separator="\x1f"))
        keys: list[bytes] = text.to_series().cast(pl.Binary).to_list()
        digests = b"".join([hashlib.blake2b(key, digest_size=12).digest() for key in keys])
        return np.frombuffer(digests, _DIGEST)

    @property
    def _own_ids(self) -> bool:
        return "event_id" in self.plan.fields and self.plan.id_is_unique

    def _table(self, frame: pl.DataFrame, key: Digests) -> pa.Table:
        """The lake's columns. An event without an id of its own is called by its digest."""
        columns = {name: frame.get_column(name).to_arrow() for name in frame.columns}
        columns["received_ms"] = columns["ts_ms"]
        if not self._own_ids:
            columns["event_id"] = _hex(key)
        return pa.table({field.name: columns[field.name].cast(field.type) for field in EVENTS}, EVENTS)


def _as_texts(frame: pl.DataFrame, names: Sequence[str]) -> list[pl.Expr]:
    """The columns as text. What is the same in all rows, as what a log does not have, is written once, not by row."""
    found = [_as_text(names[0])]  # a column always: it gives the number of rows
    for same, group in groupby(names[1:], key=lambda name: _is_constant(frame.get_column(name))):
        texts = [_as_text(name) for name in group]
        found += [pl.lit("\x1f".join(frame.head(1).select(texts).row(0)))] if same else texts
    return found


def _is_constant(column: pl.Series) -> bool:
    if not len(column) or column.null_count():
        return 0 < len(column) == column.null_count()
    return bool((column == column[0]).all())


def _as_text(name: str) -> pl.Expr:
    """A column as the text that is hashed: amounts in millionths, so that no version writes a float another way."""
    column = pl.col(name)
    if name in ("price", "value"):
        column = (column * 1e6).round().cast(pl.Float64).clip(upper_bound=9e18).cast(pl.Int64)
    return column.cast(pl.String).fill_null("")


def _hex(key: Digests) -> pa.Array:
    text = key.tobytes().hex().encode()
    width = 2 * _DIGEST.itemsize
    offsets = np.arange(0, len(text) + 1, width, dtype=np.int32)
    return pa.StringArray.from_buffers(len(key), pa.py_buffer(offsets), pa.py_buffer(text))


def _identity(table: pa.Table, key: Digests) -> npt.NDArray[np.uint64]:
    """A 64-bit number for (shop, event, line): equal numbers are taken as duplicates."""
    shops = table.column("shop").combine_chunks().dictionary_encode()
    salts = np.array([hash64(shop) for shop in shops.dictionary.to_pylist()], np.uint64)
    line = table.column("line").to_numpy().astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found: npt.NDArray[np.uint64] = (
        key["head"] ^ line ^ (salts[shops.indices.to_numpy()] if len(salts) else np.uint64(0))
    )
    return found


def _bad_ids(columns: Mapping[str, pl.Series]) -> pl.Series:
    """Which rows have an id that the service would not take."""
    bad = pl.Series([False]).new_from_index(0, len(columns["visitor_id"]))
    for name in (*_IDS.values(), *_IDS_TOO.values(), "shop"):
        text = columns[name]
        if not text.str.contains(r"[^ -~]").any() and not (text.str.len_bytes() > MAX_ID).any():
            continue
        bad |= (text.str.len_chars() > MAX_ID) | text.str.contains(_UNPRINTABLE)
    return bad


def _word(texts: pl.Series, known: Sequence[str]) -> pl.Series:
    """Words of a closed list, by their usual names; others are "other" where the list has it, else unknown."""
    found = {text: plain(text) for text in texts.drop_nulls().unique().to_list()}
    by_plain = {plain(word): word for word in known}
    other = "other" if "other" in known else ""
    words = {
        text: by_plain.get(name) or by_plain.get(plain(_WORDS.get(name, ""))) or other for text, name in found.items()
    }
    return texts.replace_strict(list(words), list(words.values()), default="", return_dtype=pl.String).fill_null("")
