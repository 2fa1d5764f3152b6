"""A small client for a shop's server: decisions, events, catalog. Standard library only; the file can be copied.

    tact = Tact("https://tact.example", "sk_…")
    answer = tact.decide("v-1", ["pdp.trust"], {"page_type": "product", "item_id": "boot-42"})
    if message := answer.message("pdp.trust"):
        html = render(message)

`decide` never raises: a page must not break for want of a message. Everything else raises:

* Refused       the service said no: `status`, `code` (docs/errors.md) and `detail`
* Unavailable   no answer in time; what was sent may have arrived: send events again with their `event_id`
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 1.0
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
        chosen = self.body.get("placements", {}).get(placement)
        return dict(chosen) if chosen and chosen["action"] else None


class Tact:
    """A shop's connection. key: the secret one on a server. timeout_s: how long any call may take."""

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
        body: dict[str, Any] = {
            "visitor_id": visitor_id,
            "placements": list(placements),
            "context": dict(context or {}),
        }
        body |= {"user_id": user_id} if user_id else {}
        body |= {} if events is None else {"events": list(events)}
        try:
            return Answer(self._call("POST", "/v1/decisions", body))
        except (Refused, Unavailable) as error:
            return Answer(problem=str(error))

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
        query = f"?action={action}" if action else ""
        return self._call("GET", f"/v1/decisions/{decision_id}/why{query}")

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
        request = urllib.request.Request(self._url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            raise Refused(error.code, _problem(error.read())) from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"{method} {self._url}{path}: {error}") from error


def _problem(body: bytes) -> Json:
    """The problem details of a refusal; without them the text a proxy may have sent."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": body[:200].decode(errors="replace")}
