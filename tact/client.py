"""A small client for a shop's server: decisions, events, catalog. Standard library only; the file can be copied.

    tact = Tact("https://tact.example", "sk_…")
    answer = tact.decide("v-1", ["pdp.trust"], {"page_type": "product", "item_id": "boot-42"})
    if message := answer.message("pdp.trust"):
        html = render(message)

`decide` never raises: a page must not break for want of a message. Everything else raises:

* Refused       the service said no: `status`, `code` (docs/errors.md) and `detail`
* Unavailable   no answer in time; what was sent may have arrived: send events again with their `event_id`
"""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 1.0
MOST_BYTES = 16 << 20
"""Of an answer."""
PIECE = 65_536
BATCH = 100
"""Events in one request, at most."""

Json = Mapping[str, Any]


class Refused(Exception):
    """The service said no."""

    def __init__(self, status: int, problem: Json) -> None:
        self.status, self.code = status, str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        super().__init__(f"{status} {self.code}: {self.detail}")


class Unavailable(Exception):
    """There was no answer."""


@dataclass(frozen=True)
class Answer:
    """A decision. body: as docs/api.md has it, {} if there was none; problem: why there was none, else ""."""

    body: Json = field(default_factory=dict)
    problem: str = ""

    @property
    def decision_id(self) -> str:
        """ "" if there was no answer."""
        return str(self.body.get("decision_id", ""))

    def message(self, placement: str) -> dict[str, Any] | None:
        """What to show there: action, kind, content, items …; None is silence."""
        placements = self.body.get("placements")
        chosen = placements.get(placement) if isinstance(placements, dict) else None
        return dict(chosen) if isinstance(chosen, dict) and chosen.get("action") else None


class Tact:
    """A shop's connection. key: the secret one on a server. timeout_s: to connect, to the first byte, to the last."""

    def __init__(self, url: str, key: str, timeout_s: float = TIMEOUT_S) -> None:
        self._url, self._key, self._timeout_s = url.rstrip("/"), key, timeout_s

    def decide(
        self,
        visitor_id: str,
        placements: Sequence[str],
        context: Json | None = None,
        events: Iterable[Json] | None = None,
        user_id: str = "",
    ) -> Answer:
        """What to show in the placements of this page. events: None is the page view itself, [] is nothing."""
        try:
            body: dict[str, Any] = {
                "visitor_id": visitor_id,
                "placements": list(placements),
                "context": dict(context or {}),
            }
            body |= {"user_id": user_id} if user_id else {}
            body |= {} if events is None else {"events": list(events)}
            return Answer(self._call("POST", "/v1/decisions", body))
        except Exception as error:  # noqa: BLE001 - whatever it is, a page must not break for want of a message
            return Answer(problem=str(error) or type(error).__name__)

    def send(self, events: Iterable[Json], consent: Sequence[str] | None = None) -> int:
        """Send events, a hundred at a time. Returns how many were taken. Raises Refused, Unavailable."""
        waiting, accepted = list(events), 0
        for start in range(0, len(waiting), BATCH):
            body: dict[str, Any] = {"events": waiting[start : start + BATCH]}
            body |= {} if consent is None else {"consent": list(consent)}
            accepted += int(self._call("POST", "/v1/events", body)["accepted"])
        return accepted

    def outcome(self, what: str, visitor_id: str, answer: Answer, placement: str, **more: Any) -> int:
        """Tell that a message was "view_promotion" (shown), "select_promotion" (clicked) or "dismiss_promotion"."""
        message = answer.message(placement)
        if message is None:
            return 0
        about = {"decision_id": answer.decision_id, "promotion_id": message["action"], "placement": placement}
        return self.send([{"event": what, "visitor_id": visitor_id, **about, **more}])

    def put_items(self, items: Iterable[Json]) -> dict[str, Any]:
        """Put products into the catalog. Raises Refused, Unavailable."""
        return self._lines("/v1/catalog/items", items)

    def put_stock(self, lines: Iterable[Json]) -> dict[str, Any]:
        """Say what lies where: item_id, stock, store. Raises Refused, Unavailable."""
        return self._lines("/v1/stock", lines)

    def why(self, decision_id: str, action: str = "") -> dict[str, Any]:
        """Why a decision came out as it did; with `action`, why (not) that one. Raises Refused, Unavailable."""
        query = f"?{urllib.parse.urlencode({'action': action})}" if action else ""
        return self._call("GET", f"/v1/decisions/{urllib.parse.quote(decision_id, safe='')}/why{query}")

    def preview(self, placement: str, action: str, url: str, expires_in_s: int = 3600) -> str:
        """A signed address that shows one message to whoever opens it. Raises Refused, Unavailable."""
        body = {"placement": placement, "action": action, "url": url, "expires_in_s": expires_in_s}
        return str(self._call("POST", "/v1/preview", body)["url"])

    def _lines(self, path: str, lines: Iterable[Json]) -> dict[str, Any]:
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        return self._request("PUT", path, body, "application/x-ndjson")

    def _call(self, method: str, path: str, body: Json | None = None) -> dict[str, Any]:
        return self._request(method, path, json.dumps(body).encode() if body is not None else None, "application/json")

    def _request(self, method: str, path: str, body: bytes | None, kind: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": kind}
        try:
            status, said = self._exchange(urllib.request.Request(self._url + path, body, headers, method=method))
            found = None if status >= 300 else json.loads(said)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"{method} {self._url}{path}: {error!r}") from error
        if status >= 300:
            raise Refused(status, _problem(said))
        if not isinstance(found, dict):
            raise Unavailable(f"{method} {self._url}{path}: the answer is no JSON object")
        return found

    def _exchange(self, request: urllib.request.Request) -> tuple[int, bytes]:
        """Status and body. Raises OSError, ValueError, HTTPException."""
        try:
            answer = urllib.request.urlopen(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return int(answer.status or 0), _whole(answer, time.monotonic() + self._timeout_s)


def _whole(answer: Any, until_s: float) -> bytes:
    """The body: the socket's own time-out is for each wait, and a body may come byte by byte."""
    parts, size = [], 0
    while piece := answer.read1(PIECE):
        parts.append(piece)
        size += len(piece)
        if time.monotonic() > until_s or size > MOST_BYTES:
            raise TimeoutError("the body did not come in time, or is too long")
    whole = b"".join(parts)
    announced = answer.headers.get("Content-Length", "")
    if announced.isdigit() and len(whole) < int(announced):
        raise http.client.IncompleteRead(whole)
    return whole


def _problem(body: bytes) -> Json:
    """The problem details of a refusal; without them the text a proxy may have sent."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": body[:200].decode(errors="replace")}
