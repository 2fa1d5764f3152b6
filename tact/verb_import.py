"""`tact import FILE`: an event log into the lake."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tact.console import console, fail, load_settings
from tact.log_plan import (
    EventMapOption,
    EveryRowOption,
    MapOption,
    MissingOption,
    PresetOption,
    SeparatorOption,
    ShopOption,
    TimeFormatOption,
    opened,
    refuse,
    show_counts,
    show_plan,
    wishes_of,
)
from tact.outputs import FiguresOption, file_to_write, folder_to_write, write_text
from training.figures import counted
from training.importers import Counts, ImportRefused, Loaded, Reader, RejectsFile, load
from training.importers.convert import REASONS


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("import")(import_log)


def import_log(
    file: Annotated[str, typer.Argument(help="CSV (any separator), NDJSON, JSON or Parquet; gz, bz2, xz, zst or zip.")],
    shop: ShopOption = "",
    lake: Annotated[Path | None, typer.Option("--lake", help="Default: TACT_LAKE.")] = None,
    preset: PresetOption = "",
    map_: MapOption = "",
    event_map: EventMapOption = "",
    every_row: EveryRowOption = "",
    time_format: TimeFormatOption = "",
    missing: MissingOption = "",
    separator: SeparatorOption = "",
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Where rejected rows go.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be imported.")] = False,
    json_file: FiguresOption = None,
) -> None:
    """Import an event log into the lake: shows what it understood, then imports, then accounts for every row.

    Importing a file again replaces what it brought before. docs/import.md has the details.
    """
    wishes = wishes_of(map_, event_map, missing, preset, every_row, time_format, separator)
    reader = opened(file, wishes, shop)
    show_plan(reader.plan, file, shop or ("by its column" if "shop" in reader.plan.fields else reader.default_shop))
    if dry_run:
        return
    into = lake or load_settings().lake
    rejected = rejects or into / "rejects" / f"{Path(file).name}.ndjson"
    _check_outputs(into, rejected, json_file)
    sink = RejectsFile(rejected)
    started = time.monotonic()
    try:
        loaded = _load(reader, Path(file), into, sink)
    except ImportRefused as error:
        show_counts(reader.counts, str(sink.path))
        refuse(error)
    finally:
        sink.close()
    seconds = time.monotonic() - started
    show_counts(loaded.counts, str(sink.path))
    if json_file is not None:
        write_text(json_file, json.dumps(figures(loaded, seconds), indent=1) + "\n")
    if not loaded.files:
        fail(_why_nothing(loaded.counts, file))
    _show(loaded, into, seconds)


def _check_outputs(lake: Path, rejects: Path, json_file: Path | None) -> None:
    folder_to_write(lake, "--lake")
    file_to_write(rejects, "--rejects")
    file_to_write(json_file, "--json")


def figures(loaded: Loaded, seconds: float) -> dict[str, Any]:
    """The figures for machines."""
    counts: Counts = loaded.counts
    return {
        "rows": {"read": counts.read, "imported": counts.given, "rejected": counts.rejects.total()},
        "rejects": {reason: n for reason, n in counts.rejects.items() if n},
        "warnings": {reason: n for reason, n in counts.warnings.items() if n},
        "shops": list(loaded.shops),
        "first_ms": loaded.first_ms,
        "last_ms": loaded.last_ms,
        "files": len(loaded.files),
        "seconds": round(seconds, 3),
        "rows_per_s": round(counts.read / seconds) if seconds else 0,
    }


def _load(reader: Reader, path: Path, lake: Path, sink: RejectsFile) -> Loaded:
    bar = Progress(
        TextColumn("importing"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("import", total=reader.form.progress()[1], rows=0)

        def moved(given: int) -> None:
            done, total = reader.form.progress()
            bar.update(task, completed=done, total=total, rows=given)

        return load(reader, path, lake, sink, moved)


def _why_nothing(counts: Counts, file: str) -> str:
    """A file without any row was refused before (ImportRefused)."""
    why = ", ".join(f"{REASONS[reason]}: {n:,}" for reason, n in counts.rejects.most_common() if n)
    return f"nothing was imported: none of the {counted(counts.read, 'row')} of {file} could be taken ({why})"


def _show(loaded: Loaded, lake: Path, seconds: float) -> None:
    day = "%Y-%m-%d"
    first, last = (time.strftime(day, time.gmtime(ms // 1000)) for ms in (loaded.first_ms, loaded.last_ms))
    rows, files = counted(loaded.counts.given, "row"), counted(len(loaded.files), "file")
    console.print(
        f"{rows} of {escape(', '.join(loaded.shops))}, {first} to {last}, in {files} of {escape(str(lake))}; "
        f"{seconds:.1f} s, {loaded.counts.read / seconds:,.0f} rows/s",
        soft_wrap=True,
    )
