"""What a run found: medians with their spread over the rounds, ratios of each round, the machine; files and tables."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from load_tests.bench import BASE, Found
from load_tests.objectives import Objective, objectives
from load_tests.rows import ROWS

FOLDER: Final = Path(__file__).with_name("results")
WORDS: Final = {True: "yes", False: "no", None: "not measured"}
RATIOS: Final = (
    ("throughput_over_floor_b", "requests_per_s", BASE),
    ("server_us_over_floor_b", "server_us", BASE),
    ("p50_over_floor_b", "p50_ms", BASE),
    ("p99_over_floor_b", "p99_ms", BASE),
    ("throughput_over_feast", "requests_per_s", "feast"),
    ("closed_p99_over_feast", "closed_p99_ms", "feast"),
)
SUMMED: Final = ("errors", "degraded")


def figures_of(found: Found) -> dict[str, dict[str, Any]]:
    """By row: the median of each figure, `_ci` its lowest and highest, and its ratios round by round."""
    figures: dict[str, dict[str, Any]] = {}
    for row, measured in found.figures.items():
        of = figures[row] = summed(measured)
        for name, figure, base in RATIOS:
            if figure in measured and row != base and figure in found.figures.get(base, {}):
                pairs = zip(measured[figure], found.figures[base][figure], strict=False)
                of |= summed({name: [ours / theirs for ours, theirs in pairs if theirs]})
    return figures


def summed(measured: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Median and spread of each figure; of errors the sum."""
    of: dict[str, Any] = {}
    for name, values in measured.items():
        if name in SUMMED:
            of[f"{name}_sum"] = sum(values)
        if values:
            of[name] = round(statistics.median(values), 4)
            of[f"{name}_ci"] = [round(min(values), 4), round(max(values), 4)]
    return of


def machine() -> dict[str, Any]:
    """What it ran on."""
    try:
        model = next(
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        model = platform.processor() or "unknown"
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory_gb, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit that was measured, "-changed" where files differ from it; "" where there is none."""
    root = Path(__file__).parents[1]
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=10", "--dirty=-changed", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout.strip()


def result(figures: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """A run as it is kept and as `--json` writes it."""
    head = {"commit": commit(), "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}
    return {"about": head | dict(about), **figures}


def keep(found: Mapping[str, Any], folder: Path = FOLDER, kind: str = "bench") -> Path:
    """Writes a run where its fellows are."""
    folder.mkdir(parents=True, exist_ok=True)
    day = found["about"]["date"].replace(":", "").replace("+0000", "Z").replace("-", "")
    path = folder / f"{kind}-{day}-{found['about']['commit'] or 'unknown'}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path


def rows_of(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What was measured, a line a row: text cells under HEAD."""
    known = [(row.name, row.what) for row in ROWS] + [("feast", "Feast's feature server, 30 features, read only")]
    return [_cells(what, figures[name]) for name, what in known if name in figures]


HEAD: Final = ("", "a second", "of floor B's", "p50 ms", "p90 ms", "p99 ms", "at /s", "processor µs")


def _cells(what: str, of: Mapping[str, Any]) -> tuple[str, ...]:
    if "because" in of:
        return (what, f"not measured: {of['because']}", *("" for _ in HEAD[2:]))
    return (
        what,
        told(of, "throughput", ",.0f"),
        told(of, "throughput_over_floor_b", ".2f"),
        *(told(of, name, ".2f") for name in ("p50_ms", "p90_ms", "p99_ms")),
        f"{of['rate_per_s']:,.0f}" if "rate_per_s" in of else "–",
        f"{of['server_us']:,.0f}" if of.get("server_us") else "–",
    )


def told(of: Mapping[str, Any], name: str, form: str) -> str:
    """A figure with its spread."""
    if name not in of:
        return "–"
    low, high = of.get(f"{name}_ci", (of[name], of[name]))
    return f"{of[name]:{form}} ({low:{form}}–{high:{form}})"


def judged(figures: Mapping[str, Any], those: Sequence[Objective] | None = None) -> list[tuple[str, ...]]:
    """The objectives, a line each: what is asked, what was found, whether it is reached."""
    return [_judged(one, figures) for one in (objectives() if those is None else those)]


JUDGED_HEAD: Final = ("objective", "asked", "found", "reached")


def _judged(one: Objective, figures: Mapping[str, Any]) -> tuple[str, ...]:
    value, spread, unit = one.of(figures), one.spread(figures), f" {one.unit}" if one.unit else ""
    asked = f"{one.relation} {one.goal:,g}{unit}"
    if value is None:
        return one.name, asked, f"`{one.by}`" if one.by else "–", WORDS[None]
    form = ",.0f" if abs(value) >= 1000 else ".3g" if value else "g"
    found = f"{value:{form}}{unit}" + (f" ({spread[0]:{form}}–{spread[1]:{form}})" if spread else "")
    return one.name, asked, found, WORDS[one.reached(figures)]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for docs."""
    rule = ["---" if at == 0 else "---:" for at in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *rows)) + "\n"
