"""What was understood of a log, before any of it is imported: which column is what, and what its values mean."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from training.importers import kinds, money
from training.importers.chunks import Form
from training.importers.columns import Columns
from training.importers.errors import Unclear
from training.importers.kinds import Kinds
from training.importers.names import MISSING, SKIP, VIEW
from training.importers.presets import Preset, named, preset_of
from training.importers.times import TimeForm, time_form

SAMPLE_ROWS: Final = 50_000
BY_ORDER: Final = "by order"
"""Of a log without event names: a row with an order is a purchase, another one a view."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line said of a log, all of it optional.

    fields: ours to theirs, "" for none. events: its names to ours. every_row: the event of a log without names.
    missing: our field to texts which mean no value. separator: of a CSV file.
    """

    preset: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    every_row: str = ""
    time_format: str = ""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    separator: str = ""

    @classmethod
    def parse(cls, fields: str = "", events: str = "", missing: str = "", **other: str) -> "Wishes":
        """From the texts of --map, --event-map and --missing. Raises Unclear."""
        pairs = [kinds.pair(part, "--missing") for part in missing.split(",") if part.strip()]
        return cls(
            fields=dict(kinds.pair(part, "--map") for part in fields.split(",") if part.strip()),
            events=kinds.said(events),
            missing={name: (*(t for n, t in pairs if n == name),) for name, _ in pairs},
            **other,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How rows are read. fields: ours to their columns, the first that has a value counts.

    join: how two columns make the time: "" (one), "text" (date and clock), "offset" (milliseconds on top of a date).
    events: (name, rows in the sample, what it becomes or None if unknown), the most frequent first.
    fills_in: the session column whose ids become "s:ID" where they stand for a visitor, so that no user has the same.
    maybe_events: of a log without event names, unused columns that could hold them.
    """

    preset: str
    form: str
    fields: Mapping[str, tuple[str, ...]]
    time: TimeForm
    join: str
    decimal: str
    kinds: Kinds
    every_row: str
    missing: Mapping[str, tuple[str, ...]]
    events: tuple[tuple[str, int, str | None], ...]
    sample_rows: int
    unused: tuple[str, ...]
    id_is_unique: bool = True
    fills_in: str = ""
    maybe_events: tuple[str, ...] = ()


def plan_of(form: Form, sample: pl.DataFrame, file_name: str, wishes: Wishes) -> Plan:
    """Understand a log from its first rows. Raises Unclear where a visitor, time or event cannot be told."""
    if not len(sample):
        raise Unclear("The file has a header but no rows.", "Is the export finished?")
    columns = Columns(sample, headless=not form.has_header, said=wishes.fields)
    shops = columns.values("shop")
    preset = named(wishes.preset or preset_of(form.names, shops))
    fields = columns.fields(preset)
    join, texts = joined(sample, fields["time"])
    names = _event_counts(sample, fields)
    known = Kinds.of({**preset.events, **wishes.events}, list(names))
    events = tuple((name, count, known.target(name)) for name, count in names.most_common())
    _check_events(events, fields)
    plan = Plan(
        preset=preset.name,
        form=form.described,
        fields=fields,
        time=time_form(texts, wishes.time_format),
        join=join,
        decimal=money.decimal_mark(columns.first_of(fields, "price", "value")),
        kinds=known,
        every_row="" if "event" in fields else _every_row(wishes.every_row, fields, form, file_name),
        missing={name: (*MISSING, *_missing(preset, wishes, name)) for name in {*fields, "category"}},
        events=events,
        sample_rows=len(sample),
        unused=tuple(name for name in form.names if not any(name in used for used in fields.values())),
    )
    asked = "event" in fields or bool(wishes.every_row)
    return replace(
        plan,
        id_is_unique=columns.unique(fields.get("event_id"), fields.get("line")),
        fills_in=columns.fills_in(fields),
        maybe_events=() if asked else columns.maybe_events(plan.unused),
    )


def joined(rows: pl.DataFrame, columns: Sequence[str]) -> tuple[str, pl.Series]:
    """How the columns of a time are one, and its text (of the date alone where the other is an offset)."""
    first = rows.get_column(columns[0])
    if len(columns) == 1:
        return "", first
    second = rows.get_column(columns[1])
    if second.str.strip_chars().str.contains(r"^\d+(\.\d+)?$").sum() > len(rows) / 2:
        return "offset", first
    return "text", first + " " + second.fill_null("")


def _missing(preset: Preset, wishes: Wishes, name: str) -> tuple[str, ...]:
    return (*preset.missing.get(name, ()), *wishes.missing.get(name, ()))


def _event_counts(sample: pl.DataFrame, fields: Mapping[str, tuple[str, ...]]) -> Counter[str]:
    if "event" not in fields:
        return Counter()
    names = sample.get_column(fields["event"][0]).fill_null("").str.strip_chars().value_counts(name="n")
    return Counter(dict(names.iter_rows()))


def _check_events(events: Sequence[tuple[str, int, str | None]], fields: Mapping[str, tuple[str, ...]]) -> None:
    if events and all(target in (None, SKIP) for _, _, target in events):
        names = [name or kinds.EMPTY for name, _, _ in events[:8]]
        example = ",".join(
            f"{name}={kind}" for name, kind in zip(names, ("view_item", "add_to_cart", "purchase"), strict=False)
        )
        raise Unclear(
            f"None of the event names in column {fields['event'][0]!r} is known: {', '.join(map(repr, names))}.",
            f'Say what they are, such as --event-map "{example}"; or name another column: --map event=COLUMN; '
            "or, where no column says what happened: --map event=",
        )


def _every_row(said: str, fields: Mapping[str, tuple[str, ...]], form: Form, file_name: str) -> str:
    if said:
        return next(iter(kinds.said(f"x={said}").values()))
    if "order" in fields:
        return BY_ORDER
    words = ("buy", "purchase", "order", "transaction", "sale")
    headless_buys = not form.has_header and "price" in fields
    return "purchase" if headless_buys or any(word in file_name.casefold() for word in words) else VIEW
