"""Writes the tables of docs/performance.md from kept results: `python -m load_tests.tables [RESULT …] [--doc FILE]`.

Without names the last three runs in load_tests/results. A figure is the median of the runs, beside it the lowest and
the highest run. Tables stand between `<!-- bench:NAME -->` and `<!-- /bench -->`; the rest of the page stays.
"""

import argparse
import json
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from load_tests.results import FOLDER, HEAD, JUDGED_HEAD, judged, markdown, rows_of

DOC: Final = Path(__file__).parents[1] / "docs" / "performance.md"
RUNS: Final = 3
PICTURES: Final = {
    "load": "p50 and p99 against offered load, Tact and floor B",
    "candidates": "p50 and p99 by candidates ranked, Tact and Metarank",
    "growth": "p50 as actions, products and visitors grow",
}
CURVE_HEAD: Final = ("a second", "Tact p50", "p99", "floor B p50", "p99")


class NoResults(ValueError):
    """There is nothing to write tables of."""


def together(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Figures of several runs: medians of the runs, `_ci` the lowest and highest of them. Raises NoResults."""
    if not results:
        raise NoResults("no results: run `./dev bench --keep` first")
    rows = {name for result in results for name, row in result.items() if isinstance(row, dict) and name != "about"}
    return {row: _row([result[row] for result in results if row in result]) for row in rows}


def _row(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    of: dict[str, Any] = {}
    for name in dict.fromkeys(name for run in runs for name in run):
        values = [run[name] for run in runs if isinstance(run.get(name), int | float)]
        if name.endswith("_sum"):
            of[name] = sum(values)
        elif values:
            of[name], of[f"{name}_ci"] = statistics.median(values), [min(values), max(values)]
        elif not name.endswith("_ci"):
            of[name] = runs[-1].get(name)
    return of


def told(results: Sequence[Mapping[str, Any]]) -> str:
    """Where and when."""
    lines = []
    for result in results:
        about, machine = result["about"], result["about"]["machine"]
        others = f"others took {100 * about['others_share']:.0f} % of the machine meanwhile"
        lines.append(
            f"- {about['date'][:16].replace('T', ' ')} UTC, commit `{about['commit']}`, {machine['cpu']}, "
            f"{machine['cores']} cores, {about['rounds']} round{'s' * (about['rounds'] > 1)}; {others}"
        )
    return "\n".join(lines) + "\n"


def tables(results: Sequence[Mapping[str, Any]], full: Mapping[str, Any] | None) -> dict[str, str]:
    """Each table by its name in the page."""
    figures = together(results)
    if full is not None:
        figures = {name: row for name, row in full.items() if isinstance(row, dict)} | figures
    made = {
        "runs": told(results),
        "rows": markdown(HEAD, rows_of(figures)),
        "objectives": markdown(JUDGED_HEAD, judged(figures)),
    }
    if full is not None and "load" in full:
        made["load"] = f"{_image('load')}\n{told([full])}\n{markdown(CURVE_HEAD, _curve(full['load']))}"
    if full is not None and "candidates" in full:
        lines = [
            (f"{point['candidates']:.0f}", f"{point['p50_ms']:.2f} ms", f"{point['p99_ms']:.2f} ms")
            for point in full["candidates"]
        ]
        made["candidates"] = f"{_image('candidates')}\n{markdown(('candidates', 'p50', 'p99'), lines)}"
    if full is not None and "growth" in full.get("others", {}):
        made["growth"] = _image("growth")
    return made


def _image(name: str) -> str:
    return f"![{PICTURES[name]}](img/bench-{name}.svg)\n"


def _curve(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> list[tuple[str, ...]]:
    by_rate = {name: {point["rate_per_s"]: point for point in points} for name, points in curves.items()}
    rates = sorted({rate for points in by_rate.values() for rate in points})
    return [
        (f"{rate:,.0f}", *_cells(by_rate["decision"].get(rate)), *_cells(by_rate["floor_b"].get(rate)))
        for rate in rates
    ]


def _cells(point: Mapping[str, float] | None) -> tuple[str, str]:
    if point is None:
        return "–", "–"
    wrong = [f"{point[what]:.0f} {what}" for what in ("errors", "degraded") if point[what]]
    return f"{point['p50_ms']:.1f} ms", f"{point['p99_ms']:.1f} ms" + (f" ({', '.join(wrong)})" if wrong else "")


def written(page: str, made: Mapping[str, str]) -> str:
    """The page with its tables renewed; one that is not made stays as it is."""

    def renewed(found: "re.Match[str]") -> str:
        name = found["name"]
        return f"<!-- bench:{name} -->\n{made[name]}<!-- /bench -->" if name in made else found[0]

    return re.sub(r"<!-- bench:(?P<name>\w+) -->\n.*?<!-- /bench -->", renewed, page, flags=re.DOTALL)


def last(kind: str, count: int, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The latest results of a kind, oldest first."""
    paths = sorted(folder.glob(f"{kind}-*.json"))[-count:]
    return [json.loads(path.read_text()) for path in paths]


def main() -> None:
    """Read the arguments, write the page."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("result", type=Path, nargs="*")
    asked.add_argument("--doc", type=Path, default=DOC)
    given = asked.parse_args()
    results = [json.loads(path.read_text()) for path in given.result] or last("bench", RUNS) or last("full", 1)
    full = next(iter(last("full", 1)), None)
    given.doc.write_text(written(given.doc.read_text(), tables(results, full)))
    print(f"{given.doc}: of {len(results)} runs")


if __name__ == "__main__":
    main()
