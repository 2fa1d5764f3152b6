"""Which column of a log is what: as said, as the preset knows, by its name, by its values."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

import polars as pl

from training.importers.errors import Unclear
from training.importers.names import EVENT_TARGETS, FIELDS, MISSING, PARTS, plain
from training.importers.presets import Preset
from training.importers.times import looks_like_time

ALIASES: Final[Mapping[str, str]] = {
    **{name: name for name in FIELDS},
    **dict.fromkeys(("ts", "timestamp"), "time"),
    **dict.fromkeys(("item_id", "product", "sku"), "item"),
    **dict.fromkeys(("order_id", "transaction", "transaction_id"), "order"),
    "visitor_id": "visitor",
    "user_id": "user",
    "session_id": "session",
    "qty": "quantity",
    "id": "event_id",
    "decision_id": "decision",
    "search_term": "query",
    "promotion_id": "action",
}
"""The left side of --map: our fields, and other words for them."""

_SHOWN: Final = 3
_LOOKED_AT: Final = 2_000
_MOST_NAMES: Final = 20
_NO_NAME: Final = re.compile(r"[+-]?\d{3,}|[+-]?\d+[.,:/-]\d.*|.{61,}", re.DOTALL)
"""What no event is called: long numbers, amounts, dates, clocks, prose."""


class Columns:
    """The columns of a sample and what each is. said: the --map of the command line."""

    def __init__(self, sample: pl.DataFrame, *, headless: bool, said: Mapping[str, str]) -> None:
        self._sample = sample
        self._headless = headless
        self._said = {_field(name): self._named(theirs, f"--map {name}={theirs}") for name, theirs in said.items()}
        self._taken = {column for columns in self._said.values() for column in columns}
        self._sessions: tuple[str, ...] = ()

    def values(self, field: str) -> list[str]:
        """The different values of the column with the name of a field, at most ten."""
        found = self._by_name(field)
        return sorted(self._sample.get_column(found).drop_nulls().unique().to_list())[:10] if found else []

    def fields(self, preset: Preset) -> dict[str, tuple[str, ...]]:
        """Our fields to their columns. Raises Unclear where there is no time or no visitor."""
        found = {name: columns for name, columns in self._said.items() if columns}
        for name, theirs in preset.fields.items():
            self._take(found, name, self._preset_columns(theirs))
        if self._headless and len(self._said) < 2:
            for name, column in self._by_place(found).items():
                self._take(found, name, (column,))
        else:
            for name in FIELDS:
                self._take(found, name, self._guess(name))
        return self._settled(found)

    def first_of(self, fields: Mapping[str, tuple[str, ...]], *names: str) -> pl.Series:
        """The sample of the first of some fields that the log has."""
        column = next((fields[name][0] for name in names if name in fields), None)
        return pl.Series([], dtype=pl.String) if column is None else self._sample.get_column(column)

    def unique(self, ids: tuple[str, ...] | None, line: tuple[str, ...] | None) -> bool:
        """Whether an id column has another value on (almost) each row; a line column makes one of several rows."""
        if ids is None or line is not None:
            return ids is not None
        values = self._sample.get_column(ids[0])
        return values.n_unique() > 0.99 * len(values) and not values.null_count()

    def maybe_events(self, unused: Sequence[str]) -> tuple[str, ...]:
        """Columns of no known name whose few values could say what happened."""
        known = {name for names in FIELDS.values() for name in names}
        return tuple(name for name in unused if plain(name) not in known and self._few_names(name))

    def fills_in(self, fields: Mapping[str, tuple[str, ...]]) -> str:
        """The session column that fills in for a user in rows without one; "" where no row has a user."""
        users, last = fields["visitor"][:-1], fields["visitor"][-1]
        is_session = last in self._sessions or plain(last) in FIELDS["session"] or "session" in last.casefold()
        return last if is_session and any(self._filled(column) for column in users) else ""

    def _few_names(self, column: str) -> bool:
        texts = self._sample.get_column(column).drop_nulls().str.strip_chars()
        values = [text for text in texts.unique().to_list() if text not in MISSING]
        few = 2 <= len(values) <= min(_MOST_NAMES, len(texts) - 1)
        return few and not any(_NO_NAME.fullmatch(value) for value in values)

    def _take(self, found: dict[str, tuple[str, ...]], name: str, columns: tuple[str, ...]) -> None:
        if columns and name not in self._said and name not in found:
            found[name] = columns
            self._taken |= set(columns)

    def _named(self, theirs: str, option: str) -> tuple[str, ...]:
        """The columns of "a", "a|b" (b fills in) or "a+b" (a time in two columns)."""
        parts = (
            [part.strip() for part in theirs.replace("+", "|").split("|")]
            if theirs not in self._sample.columns
            else [theirs]
        )
        if not theirs:
            return ()
        by_plain = {plain(column): column for column in self._sample.columns}
        for part in parts:
            if part not in self._sample.columns and plain(part) not in by_plain:
                close = get_close_matches(part, self._sample.columns, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise Unclear(f"{option}: there is no column {part!r}.{hint}", f"There are {self._shown()}.")
        return tuple(part if part in self._sample.columns else by_plain[plain(part)] for part in parts)

    def _preset_columns(self, theirs: str) -> tuple[str, ...]:
        by_plain = {plain(column): column for column in self._sample.columns}
        return tuple(by_plain[name] for name in theirs.split("|") if name in by_plain)

    def _guess(self, field: str) -> tuple[str, ...]:
        if field == "time":
            return self._time()
        if field == "event":
            return self._event()
        column = self._by_name(field)
        return (column,) if column else ()

    def _time(self) -> tuple[str, ...]:
        free = self._free()
        by_plain = {plain(column): column for column in free}
        for date, rest in (("eventdate", "timeframe"), ("date", "time"), ("day", "time"), ("datum", "uhrzeit")):
            if date in by_plain and rest in by_plain and not self._reads_as_time(by_plain[rest]):
                return by_plain[date], by_plain[rest]
        named = self._candidates("time")
        for column in named or free:
            if self._reads_as_time(column):
                return (column,)
        return tuple(named[:1])  # what is wrong with it is said where its times are read

    def _event(self) -> tuple[str, ...]:
        known = {column: self._known_events(column) for column in self._free()}
        named = self._candidates("event")
        best = max(named, key=lambda column: known[column], default=None)
        if best is not None and known[best] > 0:
            return (best,)
        other = max(known, key=lambda column: known[column], default=None)
        if other is not None and known[other] > 0.8:
            return (other,)
        whole = [column for column in named if plain(column) in FIELDS["event"] and self._filled(column)]
        return tuple(whole[:1])  # never ignored in silence: its unknown values are asked about

    def _by_name(self, field: str) -> str | None:
        """The first column whose name says the field, one with values before one without."""
        found = self._candidates(field)
        return next((column for column in found if self._filled(column)), found[0] if found else None)

    def _candidates(self, field: str) -> list[str]:
        by_plain = {plain(column): column for column in reversed(self._free())}
        whole = [by_plain[name] for name in FIELDS[field] if name in by_plain]
        other = {column for name, column in by_plain.items() if any(name in names for names in FIELDS.values())}
        pieces = [c for piece in PARTS.get(field, ()) for c in self._free() if piece in c.casefold() and c not in other]
        return list(dict.fromkeys([*whole, *pieces]))

    def _by_place(self, found: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
        """Columns without names: time and event by their values, the others by place."""
        free = self._free()
        time = next((column for column in free if self._reads_as_time(column)), None)
        event = next((column for column in free if self._known_events(column) > 0.8), None)
        rest = [column for column in free if column not in (time, event)]
        names = ("visitor", "item", "price", "quantity") if len(rest) == 4 else ("visitor", "item", "category")
        pairs = [("time", time), ("event", event), *zip(names, rest, strict=False)]
        return {name: column for name, column in pairs if column is not None and name not in found}

    def _settled(self, found: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """The visitor is the visitor, else the user, else the session; a session fills in for a user not logged in."""
        user, session = found.get("user", ()), found.pop("session", ())
        self._sessions = session
        if "visitor" not in found:
            found.pop("user", None)
            found["visitor"] = (*user, *session)
        for name, example in (("visitor", "visitor=USER_OR_SESSION_COLUMN"), ("time", "time=COLUMN")):
            if not found.get(name):
                raise Unclear(
                    f"No column could be told to be the {name}.", f"There are {self._shown()}.\n--map {example}"
                )
        return found

    def _free(self) -> list[str]:
        return [column for column in self._sample.columns if column not in self._taken]

    def _filled(self, column: str) -> bool:
        return not self._sample.get_column(column).fill_null("").is_in(MISSING).all()

    def _known_events(self, column: str) -> float:
        """The share of rows whose value is an event name."""
        counts = self._sample.get_column(column).head(_LOOKED_AT).drop_nulls().value_counts(name="n")
        known = sum(count for value, count in counts.iter_rows() if plain(value) in EVENT_TARGETS)
        return int(known) / max(1, min(len(self._sample), _LOOKED_AT))

    def _reads_as_time(self, column: str) -> bool:
        return looks_like_time(self._sample.get_column(column).head(_LOOKED_AT))

    def _shown(self) -> str:
        """The columns with some values, so that a person can tell which is which."""
        shown: list[str] = []
        for column in self._sample.columns[:30]:
            values: Sequence[str] = self._sample.get_column(column).drop_nulls().unique(maintain_order=True).to_list()
            shown.append(f"{column} ({', '.join(value[:30] for value in values[:_SHOWN])})")
        return ", ".join(shown)


def _field(name: str) -> str:
    if name not in ALIASES:
        close = get_close_matches(name, ALIASES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise Unclear(f"--map {name}=…: there is no field {name!r}.{hint}", f"There are {', '.join(FIELDS)}.")
    return ALIASES[name]
