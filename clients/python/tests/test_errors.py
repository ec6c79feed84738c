"""What the server's refusals become."""

import pytest

from langgraph.checkpoint.milepost import (
    AccessDeniedError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    MilepostError,
    ServerError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)
from langgraph.checkpoint.milepost.errors import error_from

PROBLEMS = b"""{"detail":[
{"type":"int_parsing","loc":["body","writes",0,"idx"],"msg":"Input should be a valid integer"},
{"type":"missing","loc":["body","thread_id"],"msg":"Field required"},
{"type":"json_invalid","loc":["body",3],"msg":"JSON decode error"}]}"""


@pytest.mark.parametrize(
    ("status", "kind", "builtin"),
    [
        (400, InvalidRequestError, ValueError),
        (401, AuthenticationError, MilepostError),
        (403, AccessDeniedError, PermissionError),
        (404, UnsupportedError, NotImplementedError),
        (405, UnsupportedError, NotImplementedError),
        (409, ConflictError, MilepostError),
        (413, TooLargeError, ValueError),
        (422, InvalidRequestError, ValueError),
        (429, UnavailableError, ConnectionError),
        (500, ServerError, MilepostError),
        (501, UnsupportedError, NotImplementedError),
        (502, UnavailableError, ConnectionError),
        (503, UnavailableError, ConnectionError),
        (504, UnavailableError, ConnectionError),
        (307, ServerError, MilepostError),
    ],
)
def test_each_status_has_its_exception(status, kind, builtin):
    error = error_from(status, {"x-request-id": "r-1"}, b'{"detail":"what happened"}')
    assert type(error) is kind
    assert isinstance(error, builtin)
    assert (error.status, error.request_id) == (status, "r-1")
    assert str(error) == f"what happened (HTTP {status}, request r-1)"


def test_problems_are_readable():
    assert str(error_from(422, {}, PROBLEMS)) == (
        "writes[0].idx: Input should be a valid integer; thread_id: Field required; "
        "body[3]: JSON decode error (HTTP 422)"
    )


def test_a_conflict_names_the_head():
    assert error_from(409, {}, b'{"detail":"another head","head":"c7"}').head == "c7"
    assert error_from(409, {}, b'{"detail":"another head","head":null}').head is None


@pytest.mark.parametrize(("text", "seconds"), [("3", 3.0), ("0", 0.0), ("-1", None), ("nan", None), ("soon", None)])
def test_retry_after_is_seconds(text, seconds):
    assert error_from(503, {"retry-after": text}, b"").retry_after == seconds


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no explanation"),
        (b"<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        (b"\xff" * 500, "�" * 200),
        (b'{"message":"Internal Server Error","code":500,"data":null}', "Internal Server Error"),
        (b"[]", "[]"),
        (b'{"detail":{"odd":1}}', "{'odd': 1}"),
        (b'{"detail":["odd"]}', "odd"),
    ],
)
def test_any_body_gives_a_message(content, words):
    assert str(error_from(500, {}, content)) == f"{words} (HTTP 500)"
