"""The console's calls about models and policies: what is live, its history, checking a text, and jobs of the verbs."""

import asyncio
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request

from features.schema import FEATURES
from models.policy import PolicyError, load_policy
from models.policy_lint import lint
from models.policy_schema import json_schema
from models.registry import Registry, UnknownBundle
from service import audit, policy_files
from service.body import read_json_body
from service.console_access import Session
from service.console_calls import MOST_BODY, Calls
from service.errors import Problem
from service.lake_desk import DeskAway, ask_desk
from service.reading import read_json
from service.routes.console_live import who

ARCHIVE: Final = "policies-archive"
MOST_HISTORY: Final = 200


class CheckRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /console/api/policy/check."""

    text: str


class JobRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /console/api/jobs. what: as tact/console_jobs.py has it; the fields are those it needs.

    base: the version that was live where the draft was looked at, "" for none: another one is not overwritten unseen.
    """

    what: str
    text: str = ""
    tests: str = ""
    why: str = ""
    bundle: str = ""
    force: bool = False
    since: str = "30d"
    base: str = ""


_check = msgspec.json.Decoder(CheckRequest)
_job = msgspec.json.Decoder(JobRequest)


def add(calls: Calls) -> None:
    """Adds the calls."""
    service = calls.service
    settings = service.settings

    async def models(session: Session, request: Request) -> Any:
        return await asyncio.to_thread(_models, settings.registry, session.shop)

    async def policy(session: Session, request: Request) -> Any:
        told = await asyncio.to_thread(_policy, settings.policies, settings.home, session.shop)
        return told | {"refused": service.watcher.readiness().get(session.shop, {}).get("refused", {})}

    async def version(session: Session, request: Request) -> Any:
        try:
            found = request.path_params["version"]
            data, suffix = await asyncio.to_thread(policy_files.replaced, settings.home / ARCHIVE, _plain(found))
            text = data.decode()
            if load_policy(text, found).shop != session.shop:
                raise KeyError(found)
        except (KeyError, PolicyError, UnicodeDecodeError):
            raise Problem("not_found", "This version is not in the archive.") from None
        return {"version": found, "text": text, "suffix": suffix}

    async def check(session: Session, request: Request) -> Any:
        asked = read_json(_check, await read_json_body(request, MOST_BODY))
        personas = service.watcher.get(session.shop).personas
        names = personas.names if personas is not None else ()
        return await asyncio.to_thread(checked, asked.text, session.shop, service.now_ms(), names)

    async def words(session: Session, request: Request) -> Any:
        return {"schema": json_schema(), "features": {one.name: [one.unit, one.meaning] for one in FEATURES}}

    async def history(session: Session, request: Request) -> Any:
        return await asyncio.to_thread(_history, settings.home, session.shop)

    async def start(session: Session, request: Request) -> Any:
        asked = read_json(_job, await read_json_body(request, MOST_BODY))
        told = {name: value for name, value in msgspec.structs.asdict(asked).items() if value}
        given = {name: value for name, value in told.items() if name not in ("what", "base")}
        if asked.what == "promote":
            live = await asyncio.to_thread(_policy, settings.policies, settings.home, session.shop)
            _check_base(asked.base, live["version"] or "")
            given["base"] = asked.base  # the part looks again when its turn comes
        if asked.text:
            given["suffix"] = await asyncio.to_thread(_suffix, settings.policies, session.shop)
        if asked.bundle:
            given["bundle"] = await asyncio.to_thread(_bundle_path, settings.registry, asked.bundle)
        question = {"ask": "start", "what": asked.what, "who": who(session), "shop": session.shop, "given": given}
        return await _of_part(settings.home, question)

    async def job(session: Session, request: Request) -> Any:
        return await _of_part(settings.home, {"ask": "job", "job": request.path_params["job"], "shop": session.shop})

    calls.get("models", models)
    calls.get("policy", policy)
    calls.get("policy/words", words)
    calls.get("policy/versions/{version}", version)
    calls.post("policy/check", check)
    calls.get("audit", history)
    calls.post("jobs", start)
    calls.get("jobs/{job}", job)


async def _of_part(home: Path, question: dict[str, Any]) -> Any:
    """The part's answer. Raises Problem part_away, not_found."""
    try:
        told = await ask_desk(home, question)
    except DeskAway as error:
        raise Problem("part_away", f"{error}.") from None
    if told["state"] != "done":
        raise Problem("not_found", f"{told['detail']}.")
    return told["answer"]


def _check_base(base: str, live: str) -> None:
    """Raises Problem policy_changed."""
    if base != live:
        raise Problem(
            "policy_changed", f"The draft was seen beside {base[:40] or 'no policy'}; live is {live or 'none'}."
        )


def checked(text: str, shop: str, now_ms: int, personas: tuple[str, ...] = ()) -> dict[str, Any]:
    """As `tact check --json`: errors and lints with line and column; version and counts where it can be served.

    personas: the names of those in use.
    """
    began = time.perf_counter()
    try:
        policy = load_policy(text, f"{shop}.yaml")
    except PolicyError as bad:
        return {"ok": False, "errors": [_place(one) for one in bad.problems], "warnings": []}
    found = lint(policy, text, now_ms, frozenset(), personas)
    told = {
        severity: [{"code": one.code, **_place(one.problem)} for one in found if one.severity == severity]
        for severity in ("error", "warning")
    }
    errors = told["error"]
    if policy.shop != shop:
        errors = [
            {"line": 1, "column": 0, "message": f"`shop` is {policy.shop!r}, and this session is of {shop!r}"},
            *errors,
        ]
    return {
        "ok": not errors,
        "errors": errors,
        "warnings": told["warning"],
        "version": policy.version,
        "actions": len(policy.actions),
        "placements": len(policy.placements),
        "took_ms": 1000 * (time.perf_counter() - began),
    }


def _place(problem: Any) -> dict[str, Any]:
    return {"line": problem.line, "column": problem.column, "message": problem.message}


def _policy(folder: Path, home: Path, shop: str) -> dict[str, Any]:
    found = policy_files.find(folder).get(shop, ()) if folder.is_dir() else ()
    if not found:
        return {"text": None, "file": _shown(folder / f"{shop}.yaml", home), "version": None}
    file = _shown(found[0], home)
    try:
        text = policy_files.read(found[0])
    except (PolicyError, OSError) as error:
        return {"text": None, "file": file, "version": None, "problem": str(error).replace(str(found[0]), file)}
    tests = home / "console-tests" / f"{shop}.yaml"
    return {
        "text": text,
        "file": file,
        "version": _version(text),
        "tests": tests.read_text() if tests.is_file() else "",
    }


@lru_cache(maxsize=16)
def _version(text: str) -> str | None:
    """Of a policy that can be served. Parsing takes longer than all else the page asks for."""
    try:
        return load_policy(text, "the policy").version
    except PolicyError:
        return None


def _shown(path: Path, home: Path) -> str:
    """A file's path from the home on; of one that lies elsewhere its folder and name. Where the server keeps things is
    nobody's business on a page."""
    whole, root = path.resolve(), home.resolve()
    return str(whole.relative_to(root)) if whole.is_relative_to(root) else f"{whole.parent.name}/{whole.name}"


def _suffix(folder: Path, shop: str) -> str:
    found = policy_files.find(folder).get(shop, ()) if folder.is_dir() else ()
    return found[0].suffix if found else ".yaml"


def _models(registry: str, shop: str) -> dict[str, Any]:
    """Every bundle with its manifest, the history, which one is live, and which one a rollback would take."""
    root = Registry(registry)
    bundles = []
    for identifier in root.bundles():
        try:
            manifest = _manifest(root.path(identifier))
        except (UnknownBundle, ValueError, OSError):
            continue
        if manifest.get("shop") in (shop, None) or root.live(shop) == identifier:
            bundles.append({"id": identifier, "card": manifest})
    about = {"live": root.live(shop), "before": root.before(shop)}
    return about | {"history": root.history(shop)[::-1], "bundles": bundles}


def _manifest(address: str) -> dict[str, Any]:
    from models.bundle import MANIFEST
    from models.folders import Folder

    manifest: dict[str, Any] = msgspec.json.decode(Folder(address).read(MANIFEST))
    manifest.pop("files", None)
    return manifest


def _bundle_path(registry: str, identifier: str) -> str:
    try:
        return Registry(registry).path(_plain(identifier))
    except (UnknownBundle, ValueError):
        raise Problem("not_found", f"The registry holds no bundle {identifier[:64]!r}.") from None


def _history(home: Path, shop: str) -> dict[str, Any]:
    """The shop's lines of the audit log, newest first, and whether the log is whole."""
    entries: list[Any] = []
    try:
        entries.extend(msgspec.to_builtins(entry) for entry in audit.read(home) if entry.shop == shop)
    except audit.TamperedAudit as error:
        return {"entries": entries[::-1][:MOST_HISTORY], "whole": False, "problem": str(error)}
    return {"entries": entries[::-1][:MOST_HISTORY], "whole": True}


def _plain(name: str) -> str:
    """A hash or id: nothing in it leads elsewhere. Raises Problem not_found."""
    if not name.isalnum() or len(name) > 64:
        raise Problem("not_found", "This is no version and no bundle.")
    return name
