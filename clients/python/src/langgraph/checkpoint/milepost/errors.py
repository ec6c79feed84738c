"""What can go wrong when a saver talks to a Milepost server, one exception a cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "ConflictError",
    "InvalidRequestError",
    "MilepostError",
    "ServerError",
    "TooLargeError",
    "UnavailableError",
    "UnsupportedError",
]

BODY_EXCERPT = 200
LONGEST_RETRY_AFTER = 1e6
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


class MilepostError(Exception):
    """Any answer of the server that is not the one asked for, and any failure to get an answer.

    `status` is the HTTP status, None when there was no answer; `request_id` is the one under which the server's log
    has the request, None when the server gave none.
    """

    def __init__(self, message: str, *, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class InvalidRequestError(MilepostError, ValueError):
    """The request cannot be served as it is (422 and other 4xx); the message says what is wrong with which field."""


class TooLargeError(InvalidRequestError):
    """The request is larger than the server takes (413); the message names the limit."""


class ConflictError(MilepostError):
    """Another writer was faster (409): with `refuse_forks`, the namespace has another head than the put's parent.

    `head` is the checkpoint id the namespace has now, None when it has no checkpoint. Nothing was stored.
    """

    def __init__(self, message: str, *, head: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, status=409, request_id=request_id)
        self.head = head


class AuthenticationError(MilepostError):
    """The server does not know who is asking (401): the API key is missing or wrong."""


class AccessDeniedError(MilepostError, PermissionError):
    """The server knows who is asking and says no (403)."""


class UnsupportedError(MilepostError, NotImplementedError):
    """The server lacks this call: it is older than this package, or not Milepost."""


class UnavailableError(MilepostError, ConnectionError):
    """No answer, or "not now" (429, 502, 503, 504), after all retries.

    `retry_after` is how many seconds the server asked to wait, None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.retry_after = retry_after


class ServerError(MilepostError):
    """The server failed (500), or answered what no Milepost would; its log has more under `request_id`."""


def error_from(status: int, headers: Mapping[str, str], content: bytes) -> MilepostError:
    """The exception for an answer that is not a success."""
    request_id = headers.get("x-request-id")
    body = _parsed(content)
    message = f"{_words(body, content)} (HTTP {status}{f', request {request_id}' if request_id else ''})"
    if status in RETRIED_STATUSES:
        return UnavailableError(
            message, status=status, request_id=request_id, retry_after=_seconds(headers.get("retry-after"))
        )
    if status == 409:
        return ConflictError(message, head=body.get("head") if isinstance(body, dict) else None, request_id=request_id)
    return _class_of(status)(message, status=status, request_id=request_id)


def _class_of(status: int) -> type[MilepostError]:
    named = {
        401: AuthenticationError,
        403: AccessDeniedError,
        404: UnsupportedError,
        405: UnsupportedError,
        413: TooLargeError,
        501: UnsupportedError,
    }
    return named.get(status) or (InvalidRequestError if 400 <= status < 500 else ServerError)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:  # Not JSON: a proxy's page, or nothing. _words shows the beginning of it.
        return None


def _words(body: Any, content: bytes) -> str:
    """What an answer says, in one line."""
    if isinstance(body, dict):
        said = body.get("detail", body.get("message"))
        if isinstance(said, list):
            return "; ".join(_problem(problem) for problem in said)
        if said is not None:
            return str(said)
    return content[:BODY_EXCERPT].decode("utf-8", "replace").strip() or "no explanation"


def _problem(problem: Any) -> str:
    """One entry of a 422: `writes[0].idx: Input should be a valid integer`."""
    if not isinstance(problem, dict):
        return str(problem)
    parts = list(problem.get("loc", ()))
    if len(parts) > 1 and parts[0] == "body" and isinstance(parts[1], str):
        parts.pop(0)
    place = ""
    for part in parts:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    return f"{place or 'body'}: {problem.get('msg', 'invalid')}"


def _seconds(text: str | None) -> float | None:
    """`retry-after` in seconds; its other form, a date, is not used by the server and means nothing here."""
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if 0 <= found <= LONGEST_RETRY_AFTER else None
