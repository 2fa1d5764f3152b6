"""Every error a caller can see, as RFC 9457 problem details with a stable `code`. The page for people: docs/errors.md.

* malformed_json          400  the body is not JSON; says what is known of where
* missing_key             401  no API key came with the request
* unknown_key             401  the API key is not one of this install's
* login_needed            401  the console was called without a session, or with one that ended
* link_spent              401  a link into the console was used before, or is too old
* secret_key_needed       403  a publishable key may not do this
* origin_not_allowed      403  a publishable key was used from a page it is not bound to
* foreign_origin          403  the console was changed from a page that is not the console's own
* clock_not_allowed       403  only a secret key may state its own clock
* not_found               404  no such address
* unknown_decision        404  no receipt of that decision; it never was, or is not recorded yet
* unknown_question        404  the console has no such question about the lake
* unknown_visitor         404  nothing is kept of that visitor
* method_not_allowed      405  the address takes other methods
* request_timeout         408  the body did not come in time
* policy_changed          409  another policy went live since the draft was begun that is to be made live
* bundle_gone             410  the bundle a decision was made with is no longer in the registry
* policy_gone             410  the policy a decision was made with is no longer in the archive
* receipt_unreadable      410  the receipt was written by a version of Tact that this one cannot read
* body_too_large          413  the body is larger than TACT_MAX_BODY_BYTES
* unsupported_media_type  415  the body is neither JSON nor (for uploads) NDJSON, or is compressed
* invalid_field           422  a field is missing, unknown, or has a value out of its range; the pointer names it
* unknown_event           422  the event's name is neither in the vocabulary nor among the policy's custom events
* unknown_placement       422  the policy has no such placement; lists those it has
* unknown_action          422  the policy that made the decision has no such action; lists those it has
* unknown_target          422  a switch names what the policy has not; lists what it has
* event_from_future       422  the event lies further ahead of the clock than TACT_FUTURE_SKEW_S
* event_too_old           422  the event is older than a tail is kept; send it through an import
* too_many_events         422  more events in one request than allowed
* no_placements           422  a decision was asked for without a placement
* too_many_logins         429  too many wrong keys at the console's login; `Retry-After` says when to try again
* internal_error          500  a defect of this service; never on events and decisions
* store_unavailable       503  Redis did not answer; nothing was taken; a decision never fails for it, it degrades
* part_away               503  the part `console`, which the console asks, does not run
* too_many_streams        503  this process holds as many prompt streams as it can

A decision is never refused for a fault of ours: it degrades (see docs/api.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

PROBLEM_TYPE: Final = "application/problem+json"
DOCS: Final = "/docs/errors#"

_log = structlog.get_logger("tact.errors")


@dataclass(frozen=True, slots=True)
class Entry:
    """How a code is told: HTTP status, a title, what the caller can do, and after how long to try again."""

    status: int
    title: str
    remedy: str
    retry_after_s: int = 0


CATALOGUE: Final[Mapping[str, Entry]] = {
    "malformed_json": Entry(
        400, "The body is not JSON.", "Send UTF-8 JSON; `detail` says what is known of where it breaks."
    ),
    "missing_key": Entry(
        401, "No API key.", "Send `Authorization: Bearer KEY` or `X-Tact-Key: KEY`; make keys with `tact keys`."
    ),
    "unknown_key": Entry(401, "Unknown API key.", "Check the key, or make a new one with `tact keys`."),
    "login_needed": Entry(401, "Not logged in.", "Log in at /console with the shop's secret key."),
    "link_spent": Entry(401, "This link opens nothing any more.", "Get a new one with `tact console --link`."),
    "secret_key_needed": Entry(403, "A secret key is needed.", "Call this from a server, with the shop's secret key."),
    "origin_not_allowed": Entry(
        403, "This origin may not use this key.", "Add the page's origin to the publishable key with `tact keys`."
    ),
    "foreign_origin": Entry(403, "Not from the console's own page.", "Use the console itself; programs use /v1."),
    "clock_not_allowed": Entry(
        403, "Only a secret key may state the clock.", "Leave `clock_ms` out, or replay with a secret key."
    ),
    "not_found": Entry(404, "No such address.", "See /docs for the addresses there are."),
    "unknown_decision": Entry(
        404, "No such decision.", "Check the id; a receipt is readable a moment after its decision was answered."
    ),
    "unknown_question": Entry(404, "No such question.", "Use one of those that `detail` lists."),
    "unknown_visitor": Entry(404, "Nothing is kept of this visitor.", "Check the visitor id and the shop of the key."),
    "method_not_allowed": Entry(405, "This address takes other methods.", "Use a method named in `Allow`."),
    "request_timeout": Entry(
        408, "The body did not come in time.", "Send the request again: events with an `event_id` count once."
    ),
    "policy_changed": Entry(
        409,
        "Another policy went live meanwhile.",
        "Load the page again: its differences then show what the draft would undo.",
    ),
    "bundle_gone": Entry(
        410, "The decision's bundle is gone.", "Restore the bundle in the registry; `why` works without it."
    ),
    "policy_gone": Entry(410, "The decision's policy is gone.", "Restore the policy file in the policies' archive."),
    "receipt_unreadable": Entry(
        410, "The receipt cannot be read any more.", "Ask a Tact of the version that made the decision."
    ),
    "body_too_large": Entry(413, "The body is too large.", "Split it, or raise TACT_MAX_BODY_BYTES."),
    "unsupported_media_type": Entry(
        415, "This content type is not taken.", "Send application/json; uploads application/x-ndjson; uncompressed."
    ),
    "invalid_field": Entry(422, "A field is not valid.", "Correct the field that `pointer` names as `detail` says."),
    "unknown_event": Entry(
        422, "Unknown event name.", "Use a name of the vocabulary, or list it under `custom_events` in the policy."
    ),
    "unknown_placement": Entry(
        422, "Unknown placement.", "Use one of the policy's placements that `detail` lists, or add it to the policy."
    ),
    "unknown_action": Entry(422, "Unknown action.", "Use one of the actions that `detail` lists."),
    "unknown_target": Entry(422, "Unknown target.", "Use one of the targets that `detail` lists."),
    "event_from_future": Entry(
        422, "The event lies in the future.", "Correct the sender's clock, or send no `ts` for an event of now."
    ),
    "event_too_old": Entry(
        422, "The event is older than a tail is kept.", "Send `ts` in milliseconds; bring history with `tact import`."
    ),
    "too_many_events": Entry(422, "Too many events in one request.", "Send them in several requests."),
    "no_placements": Entry(422, "No placement was asked for.", "Name at least one of the policy's placements."),
    "too_many_logins": Entry(
        429, "Too many wrong keys.", "Wait as long as `Retry-After` says, or log in with a link: `tact console --link`."
    ),
    "internal_error": Entry(500, "A defect of this service.", "Report it with the time; the log has the trace."),
    "store_unavailable": Entry(
        503, "The store does not answer.", "Send the same request again: events with an `event_id` count once.", 1
    ),
    "part_away": Entry(
        503, "The console's part does not run.", "Start it: `tact serve` runs it, or `tact console`.", 5
    ),
    "too_many_streams": Entry(503, "Too many prompt streams.", "Connect again later, or add a replica.", 30),
}


class Problem(Exception):
    """A request that is refused. pointer: RFC 6901, into the body. index: of the failing event or line of a batch.

    retry_after_s: where it is not the catalogue's. unknown: every name that is not known, where there may be several.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        pointer: str = "",
        index: int | None = None,
        *,
        retry_after_s: int = 0,
        unknown: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.index = code, index
        self.retry_after_s = retry_after_s or CATALOGUE[code].retry_after_s
        self.unknown = tuple(map(_encodable, unknown))
        self.detail, self.pointer = _encodable(detail), _encodable(pointer)
        self.entry = CATALOGUE[code]

    def at(self, index: int, under: str = "/events") -> "Problem":
        """The same problem, of one event of a batch."""
        return Problem(self.code, self.detail, f"{under}/{index}{self.pointer}", index)

    def as_dict(self) -> dict[str, Any]:
        """The RFC 9457 members."""
        body: dict[str, Any] = {
            "type": DOCS + self.code,
            "title": self.entry.title,
            "status": self.entry.status,
            "detail": self.detail,
            "code": self.code,
            "remedy": self.entry.remedy,
        }
        if self.pointer:
            body["pointer"] = self.pointer
        if self.index is not None:
            body["index"] = self.index
        if self.unknown:
            body["unknown"] = self.unknown
        return body

    def rejection(self) -> dict[str, Any]:
        """The short form in an answer that took the other events of the batch."""
        body = {"index": self.index, "code": self.code, "detail": self.detail}
        return body | {"pointer": self.pointer} if self.pointer else body


class StoreUnavailable(Exception):
    """Redis did not answer in time, is gone, or cannot write. Nothing is known to have been stored."""


def _encodable(text: str) -> str:
    """Text without the lone surrogates that a caller may have sent and UTF-8 cannot say."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def response(problem: Problem) -> Response:
    """The problem as an HTTP answer."""
    headers = {"Retry-After": str(problem.retry_after_s)} if problem.retry_after_s else {}
    if problem.entry.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="tact"'
    if problem.entry.status == 408:
        headers["Connection"] = "close"  # the rest of the body may still come: it must not pass for the next request
    body = msgspec.json.encode(problem.as_dict())
    return Response(body, problem.entry.status, headers, media_type=PROBLEM_TYPE)


def problem_of(error: Exception) -> Problem:
    """What the caller is told of any error; one that is not foreseen is logged with its trace."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreUnavailable):
        return Problem("store_unavailable", str(error))
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        code = "not_found" if error.status_code == 404 else "method_not_allowed"
        return Problem(code, f"{error.detail}.")
    _log.error("unexpected_error", exc_info=error)
    return Problem("internal_error", f"An unexpected {type(error).__name__}; it is in the log.")


async def answer_error(request: Request, error: Exception) -> Response:
    """The one exception handler: counts the refusal by code and tells it as problem details."""
    problem = problem_of(error)
    request.app.state.metrics.refused(problem.code)
    answer = response(problem)
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer
