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
from test_keys import NEEDS

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


DEEP = [
    ("[", "]"),
    ('{"x":', "}"),
    ('[{"x":', "}]"),
]


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize(("opening", "closing"), DEEP)
def test_a_hundred_thousand_levels(server, thread_id, opening, closing, is_closed):
    """Refused by the depth alone, wherever they stand, and whether the brackets close or not."""
    levels = 100_000
    deep = opening * levels + ("0" + closing * levels if is_closed else "")
    heads = ["", '{"thread_id":"t","unknown":', f'{{"thread_id":"{thread_id}","checkpoint_id":"c","checkpoint":{{"x":']
    for head in heads:
        for call in ("put", "get-tuple", "list"):
            answer = wire.post(server.port, f"/checkpoints/{call}", (head + deep + "}" * head.count("{")).encode())
            [found] = answer.json()["detail"]
            assert (answer.status, found["type"], found["ctx"]) == (422, "json_invalid", {"error": TOO_DEEP})
            assert found["loc"][0] == "body" and found["loc"][1] < len(head) + 2 * len(opening) * 1002
    assert wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id}).json() is None


@pytest.mark.parametrize("field", ["checkpoint", "metadata"])
@pytest.mark.parametrize(("digits", "is_taken"), [(4300, True), (4301, False), (1_000_000, False)])
def test_numbers_of_many_digits(server, thread_id, field, digits, is_taken):
    """An integer comes back digit by digit, or is refused at its place."""
    number = "9" * digits
    other = "metadata" if field == "checkpoint" else "checkpoint"
    text = f'{{"thread_id":"{thread_id}","checkpoint_id":"c","{other}":{{}},"{field}":{{"n":{number}}}}}'
    answer = wire.post(server.port, "/checkpoints/put", text.encode())
    found = wire.post(server.port, "/checkpoints/get-tuple", {"thread_id": thread_id})
    if is_taken:
        assert answer.status == 200 and f'"{field}":{{"n":{number}}}'.encode() in found.body
    else:
        [refused] = answer.json()["detail"]
        assert answer.status == 422 and refused["loc"][0] == "body"
        assert len(answer.body) < 1000 and found.json() is None


def with_long_texts(value, path=()):
    """The same body over and over, each time with one text, of a megabyte, and the path to it."""
    if isinstance(value, str):
        yield "x" * 2**20, path
    elif isinstance(value, dict | list):
        for step, part in value.items() if isinstance(value, dict) else enumerate(value):
            for changed, where in with_long_texts(part, (*path, step)):
                whole = dict(value) if isinstance(value, dict) else list(value)
                whole[step] = changed
                yield whole, where


@pytest.mark.parametrize("path", sorted(path for method, path in NEEDS if method == "POST"))
def test_texts_of_a_megabyte(server, path):
    """Refused with the path to it, or taken where nothing is made a key of it: never a 5xx."""
    tried = 0
    for body, where in with_long_texts(NEEDS["POST", path][1]):
        answer = wire.post(server.port, path, body)
        assert answer.status in (200, 204, 422), (where, answer.status)
        if answer.status == 422:
            assert any(found["loc"][1 : 1 + len(where)] == list(where) for found in answer.json()["detail"]), where
            assert len(answer.body) < 10_000
        tried += 1
    assert tried > 0
