"""Every recorded case, through a real socket, on every store; and the comparison itself, which must be able to fail."""

import json

import pytest

import recorded
from wire import Answer

CASES = recorded.load_cases()


@pytest.mark.parametrize("name", CASES)
def test_recorded_case(server, name):
    case = CASES[name]
    recorded.prepare(server.port, CASES, case)
    assert recorded.difference(case, recorded.run(server.port, case)) is None


def test_there_are_cases():
    assert len(CASES) > 800


TUPLE = {
    "checkpoint_id": "c1",
    "checkpoint": {"n": 1.5, "deep": [[{"k": "v"}]]},
    "blobs": [{"channel": "a", "version": "1"}, {"channel": "b", "version": "1"}],
    "pending_writes": [{"task_id": "x", "idx": 0}, {"task_id": "y", "idx": 1}],
}
PAGE = [
    {"checkpoint_id": "c2", "checkpoint_ns": ""},
    {"checkpoint_id": "c1", "checkpoint_ns": ""},
    {"checkpoint_id": "c1", "checkpoint_ns": "child"},
]


def case_expecting(path="/checkpoints/get-tuple", **expected):
    return {"name": "made here", "path": path, "expect": expected}


def difference_of_bodies(path, expected, found):
    case = case_expecting(path, status=[200], body=json.dumps(expected))
    return recorded.difference(case, Answer(200, {}, json.dumps(found).encode()))


@pytest.mark.parametrize(
    ("path", "expected", "found"),
    [
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "blobs": TUPLE["blobs"][::-1]}),
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "pending_writes": TUPLE["pending_writes"][::-1]}),
        ("/checkpoints/get-tuple", {"a": 1, "b": 2}, {"b": 2.0, "a": 1}),
        ("/checkpoints/get-tuple", None, None),
        ("/checkpoints/list", PAGE, [PAGE[0], PAGE[2], PAGE[1]]),
        ("/checkpoints/list", [], []),
    ],
)
def test_equal_bodies_are_equal(path, expected, found):
    assert difference_of_bodies(path, expected, found) is None


@pytest.mark.parametrize(
    ("path", "expected", "found"),
    [
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "checkpoint_id": "c2"}),
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "checkpoint": {"n": 1.5, "deep": [[{"k": "w"}]]}}),
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "checkpoint": {"n": 1.6, "deep": [[{"k": "v"}]]}}),
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "blobs": TUPLE["blobs"][:1]}),
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "blobs": TUPLE["blobs"][:1] * 2}),
        ("/checkpoints/get-tuple", TUPLE, {**TUPLE, "more": 1}),
        ("/checkpoints/get-tuple", TUPLE, {name: TUPLE[name] for name in TUPLE if name != "blobs"}),
        ("/checkpoints/get-tuple", TUPLE, None),
        ("/checkpoints/get-tuple", {"n": 1}, {"n": True}),
        ("/checkpoints/get-tuple", {"n": 1}, {"n": "1"}),
        ("/checkpoints/get-tuple", {"n": 12345678901234567890}, {"n": 12345678901234999999}),
        ("/checkpoints/list", PAGE, [PAGE[1], PAGE[0], PAGE[2]]),
        ("/checkpoints/list", PAGE, PAGE[:2]),
    ],
)
def test_different_bodies_differ(path, expected, found):
    assert difference_of_bodies(path, expected, found) is not None


PROBLEM = {"type": "missing", "loc": ["body", "thread_id"], "msg": "Field required"}
ELSEWHERE = {**PROBLEM, "loc": ["body"]}


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ({"status": [200, 422]}, Answer(500, {}, b"{}")),
        ({"status": [200]}, Answer(0, {}, b"")),
        ({"status": [405], "allow": "POST"}, Answer(405, {"allow": "GET"}, b"")),
        ({"status": [405], "allow": "POST"}, Answer(405, {}, b"")),
        ({"status": [204]}, Answer(204, {}, b"null")),
        ({"status": [200], "body": "null"}, Answer(200, {}, b"")),
        ({"status": [200], "canonical_sha256": "00"}, Answer(200, {}, b"null")),
        ({"status": [422]}, Answer(422, {}, b"{}")),
        ({"status": [422]}, Answer(422, {}, b'{"detail": []}')),
        ({"status": [422]}, Answer(422, {}, b'{"detail": "no"}')),
        ({"status": [422], "errors": [PROBLEM]}, Answer(422, {}, json.dumps({"detail": [ELSEWHERE]}).encode())),
        ({"status": [422], "errors": [PROBLEM]}, Answer(422, {}, json.dumps({"detail": [PROBLEM] * 2}).encode())),
    ],
)
def test_a_wrong_answer_is_seen(expected, answer):
    assert recorded.difference(case_expecting(**expected), answer) is not None
