"""The console's pages with their real headers and the real answers about a lake, without a running shop.

The frame, files and content policy are the service's own; questions about the lake go to the desk of
tact/console_desk.py, as the part `console` has it. Only the session is made up. What needs the live service: 404.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from service.console_ahead import TYPES, Shell
from service.routes.console import HEADERS
from service.settings import Settings
from tact.console_desk import Desk


@contextmanager
def console_of(home: Path, lake: Path, shop: str, name: str = "") -> Iterator[str]:
    """The address of a console that shows a shop of a lake; name: what pages call it, if not by its own."""
    desk = Desk(Settings.load({"TACT_HOME": str(home), "TACT_LAKE": str(lake)}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(desk, shop, name or shop, Shell()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        desk.close()


def _handler(desk: Desk, shop: str, name: str, shell: Shell) -> type[BaseHTTPRequestHandler]:
    session = {"shop": name, "until_ms": 1 << 50, "currency": "EUR", "policy": None, "bundle": None}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path.startswith("/console/api/"):
                self.api(url.path.removeprefix("/console/api/"), dict(parse_qsl(url.query)))
            elif url.path.startswith("/console/static/"):
                self.file(url.path.removeprefix(f"{shell.base}/"))
            else:
                view = url.path.removeprefix("/console/")
                told = {"session": session, "answers": []}
                self.answer(shell.page(view, dict(parse_qsl(url.query)), told).encode(), "text/html")

        def api(self, path: str, params: dict[str, str]) -> None:
            if path == "session":
                self.tell(session)
            elif path.startswith("lake/"):
                wait_s = float(params.pop("wait_s", "0.5"))
                self.tell(desk.ask(path.removeprefix("lake/"), shop, params, wait_s))
            else:
                self.send_error(404)

        def tell(self, told: dict[str, Any]) -> None:
            self.answer(json.dumps(told, allow_nan=False).encode(), "application/json")

        def file(self, name: str) -> None:
            found = shell.files.get(name)
            self.answer(found, TYPES[Path(name).suffix]) if found is not None else self.send_error(404)

        def answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            for name, value in (HEADERS | {"content-type": kind, "content-length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # a page that was left
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
