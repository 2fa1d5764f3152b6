"""What a page of the console needs at once: its own two scripts, to be fetched beside it, and its first answers.

A browser would else ask for the page, then for its modules, and only when those run for the session and the data. The
scripts are modules joined at start (service/console_joined.py). The answers stand in the page as data
(`<script type="application/json">`, which no content policy has to allow), found by the same calls that the page makes
later. What is not there within WAIT_S the page asks for itself, as it does without a session, with other parameters,
and for everything after the first look.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
import structlog
from starlette.requests import Request

from service import console_joined
from service.console_access import Session
from service.errors import Problem, StoreUnavailable
from service.web.pages import HERE

STATIC: Final = HERE / "static"
FOLDERS: Final = ("console", "vendor")
TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
WAIT_S: Final = 0.15
FIRST: Final = "journey"
"""What /console itself opens with."""
SHELL: Final = ("vendor/htm-preact.js", "console/kit.js", "console/views.js")
"""Modules of every page, each after those it imports."""
APP: Final = "console/app.js"
SHEETS: Final = ("vendor/uplot.css", "console/console.css")
SANKEY: Final = tuple(f"vendor/d3-{name}.js" for name in ("array", "path", "shape", "sankey"))

Call = Callable[[Session, Request], Awaitable[Any]]
_log = structlog.get_logger("tact.console")


@dataclass(frozen=True, slots=True)
class Ask:
    """A call of a view. path: as under /console/api, {} for what stands behind the view in the address. params: those
    of the page's own that go with it."""

    path: str
    params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """Of a view, or of what lies behind it. modules: its own first, then what only it imports; others: libraries that
    its first picture is drawn with, in their order."""

    modules: tuple[str, ...]
    asks: tuple[Ask, ...] = ()
    others: tuple[str, ...] = ()


_PERIOD: Final = ("period",)
_WHICH: Final = ("period", "channel", "device", "persona", "stages")
_FOUND: Final = ("visitor", "action", "stage", "which")
_MESSAGES: Final = (Ask("lake/messages", _PERIOD), Ask("lake/message_lift", _PERIOD), Ask("switches"))
_POLICY: Final = Needs(("policy.js", "jobs.js", "diff.js"), (Ask("policy"), Ask("policy/words")))

VIEWS: Final[Mapping[str, Needs]] = {
    "journey": Needs(("journey.js",), (Ask("lake/journey_map", _WHICH), Ask("lake/journey_lift", _PERIOD)), SANKEY),
    "personas": Needs(("personas.js",), (Ask("lake/personas"),)),
    "messages": Needs(("messages.js", "preview.js"), _MESSAGES),
    "messages/": Needs(("messages.js", "preview.js"), (*_MESSAGES, Ask("actions/{}"))),
    "policy": _POLICY,
    "policy/": _POLICY,
    "experiments": Needs(("experiments.js",), (Ask("lake/experiments", _PERIOD),)),
    "decisions": Needs(("decisions.js",), (Ask("actions"), Ask("decisions/tail"), Ask("lake/decisions?most=30"))),
    "decisions?": Needs(("decisions.js",), (Ask("actions"), Ask("lake/decisions", _FOUND))),
    "decisions/": Needs(("decisions.js",), (Ask("decisions/{}"),)),
    "models": Needs(("models.js", "jobs.js"), (Ask("models"),)),
    "models/": Needs(("models.js", "jobs.js"), (Ask("models"), Ask("lake/calibration?bundle={}"))),
    "health": Needs(("health.js",), (Ask("health"),)),
}
"""By the view in the address; with `/` where something stands behind it, with `?` for a search."""


def needs_of(view: str, query: Mapping[str, str]) -> tuple[Needs, str]:
    """(what an address needs, what stands behind its view). view: the path under /console/."""
    name, _, behind = (view or FIRST).partition("/")
    if name == "decisions" and not behind and any(query.get(one) for one in _FOUND):
        name = "decisions?"
    return VIEWS.get(f"{name}/" if behind else name, Needs(())), behind


async def answers(
    calls: Mapping[str, Call], session: Session, view: str, query: Mapping[str, str]
) -> list[dict[str, Any]]:
    """[{path, params, told}] of what the view asks first; without what is refused, takes long or is under way."""
    needs, behind = needs_of(view, query)
    known = [ask for ask in needs.asks if "{}" not in ask.path or "/" not in behind]
    asked = [_filled(ask, query, behind) for ask in known]
    told = await asyncio.gather(*(_told(calls, session, path, behind, params) for path, params in asked))
    return [
        {"path": path, "params": params, "told": one}
        for (path, params), one in zip(asked, told, strict=True)
        if one is not None
    ]


def _filled(ask: Ask, query: Mapping[str, str], behind: str) -> tuple[str, dict[str, str]]:
    path, _, fixed = ask.path.partition("?")
    given = {name: query[name] for name in ask.params if query.get(name)}
    return path.replace("{}", quote(behind, safe="")), given | {
        name: value.replace("{}", behind) for name, value in parse_qsl(fixed)
    }


async def _told(calls: Mapping[str, Call], session: Session, path: str, behind: str, params: dict[str, str]) -> Any:
    folder, _, last = path.rpartition("/")
    of_lake = folder == "lake"
    scope = {
        "type": "http",
        "headers": [],
        "query_string": urlencode(params | ({"wait_s": "0"} if of_lake else {})).encode(),
        "path_params": {"name": last if of_lake else behind, "decision_id": behind},
    }
    call = calls.get(path) or calls[f"{folder}/{{}}"]
    try:
        async with asyncio.timeout(WAIT_S):
            told = await call(session, Request(scope))
    except (Problem, StoreUnavailable, TimeoutError):  # the page asks again, and tells what it is told
        return None
    except Exception as error:  # noqa: BLE001  # a page without its first answers is a page
        _log.error("not_sent_ahead", path=path, exc_info=error)
        return None
    return None if of_lake and told["state"] == "working" else told


class Shell:
    """The console's page. version: of all its files; it stands in their addresses, so browsers keep them for good."""

    def __init__(self) -> None:
        self.files = {
            f"{folder}/{path.name}": path.read_bytes()
            for folder in FOLDERS
            for path in sorted((STATIC / folder).iterdir())
            if path.suffix in TYPES
        }
        self.files |= {f"console/{name}": text.encode() for name, text in _joined(self.files).items()}
        whole = hashlib.sha256()
        for name, body in self.files.items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(body).digest())
        self.version = whole.hexdigest()[:12]
        self.base = f"/console/static/{self.version}"
        self._page = (HERE / "templates" / "console.html").read_text().replace("{base}", self.base)

    def page(self, view: str, query: Mapping[str, str], told: Mapping[str, Any]) -> str:
        """The HTML. told: {session, answers} as the page's module `kit.js` reads them."""
        needs, _ = needs_of(view, query)
        links = [f'<link rel="modulepreload" href="{self.base}/console/view-{one}">' for one in needs.modules[:1]]
        data = msgspec.json.encode(told).decode().replace("<", "\\u003c")  # nothing in it may end the element
        return self._page.replace("{links}", "\n".join(links)).replace("{ahead}", data)


def _joined(files: Mapping[str, bytes]) -> dict[str, str]:
    """What pages load, by name: the shell, its sheet, and each view."""
    texts = {name: body.decode() for name, body in files.items() if name.endswith((".js", ".css"))}
    shell, shared = console_joined.shell(texts, SHELL, APP)
    found = {"shell.js": shell, "shell.css": "\n".join(texts[name] for name in SHEETS)}
    for needs in VIEWS.values():
        view = console_joined.view(texts, [f"console/{name}" for name in needs.modules], shared)
        found[f"view-{needs.modules[0]}"] = "\n".join([*(texts[name] for name in needs.others), view])
    return found
