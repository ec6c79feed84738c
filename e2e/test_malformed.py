"""Bodies that are refused as a whole: no JSON, no object, another content type, too deep, too many mistakes."""

import json

import pytest

import wire
from refusals import (
    INVALID_UTF8,
    MODEL,
    NOT_REPEATED,
    TOO_DEEP,
    check,
    json_invalid,
    problem,
)

MALFORMED = [
    ("", 0, "Expecting value"),
    ("  ", 2, "Expecting value"),
    ("hello", 0, "Expecting value"),
    ("}", 0, "Expecting value"),
    ("{", 1, "Expecting property name enclosed in double quotes"),
    ("{1:2}", 1, "Expecting property name enclosed in double quotes"),
    ('{"thread_id"', 12, "Expecting ':' delimiter"),
    ('{"thread_id":', 13, "Expecting value"),
    ('{"thread_id":"t"', 16, "Expecting ',' delimiter"),
    ('{"thread_id":"t" "x":1}', 17, "Expecting ',' delimiter"),
    ('{"thread_id":"t"}{', 17, "Extra data"),
    ('{"thread_id":"t', 13, "Unterminated string starting at"),
    ('{"thread_id":"a\nb"}', 15, "Invalid control character at"),
    ('{"thread_id":"\\q"}', 14, "Invalid \\escape"),
    ('{"thread_id":"\\u12g4"}', 15, "Invalid \\uXXXX escape"),
    ('{"thread_id":undefined}', 13, "Expecting value"),
    ('{"thread_id":"é",}', 17, "Expecting property name enclosed in double quotes"),
]


@pytest.mark.parametrize(("text", "offset", "error"), MALFORMED)
def test_malformed_json(server, text, offset, error):
    check(server, "get-tuple", text.encode(), json_invalid(offset, error))


def test_the_offsets_and_words_are_pythons():
    """The table above says what Python's own reader says."""
    for text, offset, error in MALFORMED:
        with pytest.raises(json.JSONDecodeError) as refused:
            json.loads(text)
        assert (refused.value.pos, refused.value.msg) == (offset, error), text


@pytest.mark.parametrize("raw", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_invalid_utf8(server, raw):
    check(server, "get-tuple", b'{"thread_id":"t' + raw + b'"}', json_invalid(15, INVALID_UTF8))


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", [], [{"thread_id": "t"}]])
def test_a_body_that_is_no_object(server, value):
    for call in ("get-tuple", "list", "delete-thread"):
        check(server, call, value, problem(MODEL, input=value))
    for call in ("put", "put-writes"):
        # A list might hold blobs.
        repeated = NOT_REPEATED if isinstance(value, list) else value
        check(server, call, value, problem(MODEL, input=repeated))


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "text/json", "json", "*/*"])
def test_another_content_type(server, content_type):
    check(server, "get-tuple", {"thread_id": "t"}, problem(MODEL), content_type=content_type)


def nested(levels):
    """An object with that many levels inside it."""
    return '{"x":' * levels + "{}" + "}" * levels


@pytest.mark.parametrize("field", ["checkpoint", "metadata"])
def test_nesting(server, thread_id, field):
    """1,000 levels are stored and read back, one more is refused."""
    for levels in (1000, 1001):
        checkpoint, metadata = (nested(levels if name == field else 0) for name in ("checkpoint", "metadata"))
        text = f'{{"thread_id":"{thread_id}","checkpoint_id":"c","checkpoint":{checkpoint},"metadata":{metadata}}}'
        if levels > 1000:
            innermost = text.index("{}", text.index(nested(levels)))
            check(server, "put", text.encode(), json_invalid(innermost, TOO_DEEP))
        else:
            assert wire.post(server.port, "/checkpoints/put", text.encode()).status == 200
            found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id})
            assert f'"{field}":{nested(levels)}'.encode() in found.body


def test_a_hundred_thousand_problems(server):
    """A body of nothing but mistakes is answered, and not with many times its size."""
    body = json.dumps({"thread_id": "t", "checkpoint_id": "c", "writes": [{}] * 100_000}).encode()
    answer = wire.post(server.port, "/checkpoints/put-writes", body)
    assert answer.status == 422
    assert answer.json()["detail"] and len(answer.body) < len(body)
