"""Shows what was understood of a log, and the options by which a person says it better."""

import time
from typing import Annotated, NoReturn

import typer
from rich.markup import escape
from rich.table import Table

from service.keys import SHOP_NAME
from tact.console import console, fail
from training.importers import ImportRefused, Plan, Reader, Wishes, read
from training.importers.convert import REASONS, WARNINGS
from training.importers.kinds import EMPTY
from training.importers.names import SKIP, VIEW
from training.importers.plan import BY_ORDER
from training.importers.reader import Counts

PresetOption = Annotated[
    str, typer.Option("--preset", help="retailrocket, yoochoose, rees46, ga4 or general. Default: by the columns.")
]
MapOption = Annotated[
    str, typer.Option("--map", help='Our fields and the log\'s columns: "time=ts,event=action,visitor=uid,item=sku".')
]
EventMapOption = Annotated[
    str, typer.Option("--event-map", help='Event names: "view=view_item,cart=add_to_cart,noise=-" (- leaves out).')
]
EveryRowOption = Annotated[str, typer.Option("--every-row", help="The event of each row of a log without event names.")]
TimeFormatOption = Annotated[
    str,
    typer.Option(
        "--time-format", help="s, ms, us, ns, iso, day-first, month-first, or a form such as '%d %b %Y %H:%M'."
    ),
]
MissingOption = Annotated[str, typer.Option("--missing", help='Texts that mean no value: "category=0,price=-1".')]
SeparatorOption = Annotated[str, typer.Option("--separator", help="Of CSV. Default: found in the file.")]
ShopOption = Annotated[str, typer.Option("--shop", help="Default: the log's shop column, else the file's name.")]

_MEANINGS = {VIEW: "view_item (page_view without an item)", SKIP: "left out"}


def opened(path: str, wishes: Wishes, shop: str) -> Reader:
    """A log, understood; ends with code 2 and what to do where it cannot be."""
    if shop and not SHOP_NAME.fullmatch(shop):
        hint = "Letters, digits, . _ -; at most 64, the first a letter or digit."
        fail(f"--shop {shop!r} is no shop's name.", hint, code=2)
    try:
        return read(path, wishes, shop=shop, now_ms=time.time_ns() // 1_000_000)
    except ImportRefused as error:
        refuse(error)


def wishes_of(
    fields: str, event_map: str, missing: str, preset: str, every_row: str, time_format: str, separator: str
) -> Wishes:
    """What the options say of a log; ends with code 2 where one of them is no mapping."""
    try:
        return Wishes.parse(
            fields,
            event_map,
            missing,
            preset=preset,
            every_row=every_row,
            time_format=time_format,
            separator={"tab": "\t", "\\t": "\t"}.get(separator, separator),
        )
    except ImportRefused as error:
        refuse(error)


def refuse(error: ImportRefused) -> NoReturn:
    """Say why a log cannot be imported and end with code 2."""
    fail(str(error), error.hint, code=2)


def show_plan(plan: Plan, path: str, shop: str) -> None:
    """Print what was understood, before anything is done with it."""
    console.print(f"[bold]{escape(path)}[/]  {escape(plan.form)}  ·  preset {plan.preset}  ·  shop {escape(shop)}")
    table = Table("field", "column", "read as", title="Columns", title_justify="left")
    for name, columns in plan.fields.items():
        joint = {"text": " and ", "offset": " plus "}.get(plan.join, "") if name == "time" else ""
        table.add_row(name, escape((joint or ", else ").join(columns)), escape(_read_as(plan, name)))
    console.print(table)
    if plan.unused:
        console.print(f"not used: {escape(', '.join(plan.unused))}", soft_wrap=True)
    show_events(plan)


def show_events(plan: Plan) -> None:
    """Print the event names and what each becomes."""
    if not plan.events:
        every = "purchase where there is an order, else a view" if plan.every_row == BY_ORDER else plan.every_row
        every = _MEANINGS.get(every, every)
        console.print(f"No event names: every row becomes {every}. Otherwise say --every-row KIND.", soft_wrap=True)
        _show_maybe_events(plan, every)
        return
    title = f"Events (first {plan.sample_rows:,} rows)"
    table = Table("name", "rows", "becomes", title=title, title_justify="left")
    table.columns[1].justify = "right"
    for name, count, target in plan.events[:30]:
        meaning = "[yellow]unknown: rejected[/]" if target is None else escape(_MEANINGS.get(target, target))
        table.add_row(escape(name) or EMPTY, f"{count:,}", meaning)
    console.print(table)
    if len(plan.events) > 30:
        console.print(f"and {len(plan.events) - 30} other names")
    _hint([name for name, _, target in plan.events if target is None])


def _show_maybe_events(plan: Plan, every: str) -> None:
    """Warn of columns that could say what happened and are not used."""
    if not plan.maybe_events:
        return
    all_rows = f"All rows become {every}" if plan.every_row == BY_ORDER else f"All rows become {every.split(' ')[0]}s"
    console.print(
        f"[bold yellow]{all_rows}.[/] If column {escape(' or '.join(plan.maybe_events))} tells what happened, map it: "
        f"--map event={escape(plan.maybe_events[0])}",
        soft_wrap=True,
    )


def show_counts(counts: Counts, rejects: str) -> None:
    """Print the account of every row: read = imported + rejected."""
    table = Table("rows", "", "why", title="Rows", title_justify="left")
    table.columns[1].justify = "right"
    table.add_row("read", f"{counts.read:,}", "")
    table.add_row("taken", f"{counts.given:,}", "")
    for reason, text in REASONS.items():
        if counts.rejects[reason]:
            table.add_row(f"[yellow]{reason}[/]", f"{counts.rejects[reason]:,}", text)
    for warning, text in WARNINGS.items():
        if counts.warnings[warning]:
            table.add_row(f"[dim]{warning}[/]", f"[dim]{counts.warnings[warning]:,}[/]", f"[dim]{text}[/]")
    console.print(table)
    if counts.rejects.total():
        console.print(f"rejected rows: {escape(rejects)}", soft_wrap=True)
    _hint(counts.unknown_names)


def _hint(unknown: list[str]) -> None:
    if unknown:
        example = ",".join(f"{name or EMPTY}=KIND" for name in unknown[:3])
        console.print(
            f'Unknown names: say what they are with --event-map "{escape(example)}" (- leaves out).', soft_wrap=True
        )


def _read_as(plan: Plan, name: str) -> str:
    if name == "time":
        return plan.time.described
    if name in ("price", "value"):
        return f"decimal {'comma' if plan.decimal == ',' else 'point'}; 0 = not known"
    if name == "event_id" and not plan.id_is_unique:
        return "not unique: a part of the event's identity"
    if name == "visitor" and plan.fills_in:
        return f"{plan.fills_in} as s:ID where there is no user"
    own = [text for text in plan.missing[name] if text in ("0", "-1") or text.isdigit()]
    return f"{', '.join(own)} = not known" if own else ""
