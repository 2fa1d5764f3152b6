"""`tact test-policy policy.yaml tests.yaml`: do example visitors see what they should, and nothing they should not?"""

import json
import time
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from rich.markup import escape

from features.catalog import Catalog, Product
from models import bundle as bundles
from models.bundle import InvalidBundle
from models.decision import Scoring
from models.policy import Policy, PolicyError, load_policy
from service import policy_files
from service.catalog_store import product_of
from service.errors import Problem
from tact.console import console, errors, fail
from tact.persona_run import Ran, Runner
from tact.personas import Tests, node_of, read_tests


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("test-policy")(run)


def run(
    policy: Annotated[Path, typer.Argument(help="The policy file.")],
    tests: Annotated[Path, typer.Argument(help="The file of example visitors (docs/policy.md, Persona tests).")],
    as_json: Annotated[bool, typer.Option("--json", help="Write the outcome as JSON to stdout.")] = False,
) -> None:
    """Decide for example visitors and hold it against what is expected. Exit 1 if anything differs, 2 for bad files."""
    found = _policy(policy)
    read = _tests(tests, found)
    runner = Runner.of(read, found, _catalog(read, tests.parent), _bundles(tests.parent))
    ran = [_ran(runner, case) for case in read.cases]
    failures = [failure for one in ran for failure in one.failures]
    if as_json:
        typer.echo(json.dumps([_as_dict(one) for one in ran], indent=2))
    else:
        for failure in failures:
            errors.print(f"[bold red]failed[/] {escape(str(failure))}", soft_wrap=True)
        checked = sum(one.checked for one in ran)
        said = f"{len(ran)} visitors, {checked} expectations, {len(failures)} failed"
        console.print(f"{'[bold red]failed[/]' if failures else '[bold green]passed[/]'} {said}", soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _policy(path: Path) -> Policy:
    try:
        return load_policy(policy_files.read(path), str(path))
    except OSError as bad:
        fail(f"cannot read {path}: {bad.strerror}", code=2)
    except PolicyError as bad:
        _refuse(bad)


def _tests(path: Path, policy: Policy) -> Tests:
    try:
        return read_tests(policy_files.read(path), str(path), policy)
    except OSError as bad:
        fail(f"cannot read {path}: {bad.strerror}", code=2)
    except PolicyError as bad:
        _refuse(bad)


def _refuse(bad: PolicyError) -> NoReturn:
    for problem in bad.problems:
        errors.print(f"[bold red]error[/] {escape(str(problem))}", soft_wrap=True)
    raise typer.Exit(2)


def _ran(runner: Runner, case: Any) -> Ran:
    """One case; ends with 2 for an event, a page or a product that the service would refuse."""
    try:
        return runner.run(case)
    except Problem as problem:
        at = ("events", problem.index) if problem.index is not None else ("context",)
        where = runner.tests.problem(node_of(case, *at), f"{case['name']}: {problem.detail}")
        fail(str(where), code=2)


def _catalog(tests: Tests, folder: Path) -> Catalog:
    """The products: in the file itself, or in an NDJSON file beside it."""
    lines: list[bytes] = []
    if isinstance(tests.catalog, str):
        path = folder / tests.catalog
        try:
            lines = [line for line in path.read_bytes().splitlines() if line.strip()]
        except OSError as bad:
            fail(f"{tests.filename}: cannot read the catalog {path}: {bad.strerror}", code=2)
    elif isinstance(tests.catalog, list):
        lines = [msgspec.json.encode(item) for item in tests.catalog]
    elif tests.catalog is not None:
        fail(f"{tests.filename}: 'catalog' is a list of products, or the name of an NDJSON file of them", code=2)
    return Catalog.of([_product(tests.filename, place, line) for place, line in enumerate(lines, 1)])


def _product(filename: str, place: int, line: bytes) -> Product:
    try:
        return product_of(line, time.time_ns() // 1_000_000)
    except Problem as problem:
        fail(f"{filename}: product {place} of the catalog: {problem.detail}", code=2)


def _bundles(folder: Path) -> Any:
    """Loads a bundle by the path a case gives, once each; ends with 2 where there is none."""

    @cache
    def load(path: str) -> Scoring:
        try:
            return bundles.load(folder / path)
        except (InvalidBundle, OSError) as bad:
            fail(f"the bundle {folder / path} cannot be read: {bad}", code=2)

    return load


def _as_dict(ran: Ran) -> dict[str, object]:
    told = [{"placement": f.placement, "at": f.place, "policy": f.policy, "message": f.message} for f in ran.failures]
    return {"case": ran.name, "expectations": ran.checked, "failures": told}
