"""The checker of histories itself: it takes what is possible, and sees what is not."""

import random

import pytest

from linearizability import NotLinearizable, Operation, State, check


def put(checkpoint_id, n, blobs=(), **more):
    versions = {channel: version for channel, version, _ in blobs}
    return "put", {
        "checkpoint_id": checkpoint_id,
        "parent_checkpoint_id": None,
        "checkpoint": {"n": n, "channel_versions": versions},
        "metadata": {},
        "blobs": [{"channel": c, "version": v, "type": "t", "blob": blob} for c, v, blob in blobs],
        **more,
    }


def put_writes(*values, upsert=False):
    writes = [
        {"task_id": "t", "idx": idx, "channel": "c", "type": "t", "blob": blob} for idx, blob in enumerate(values)
    ]
    return "put-writes", {"checkpoint_id": "1", "writes": writes, "upsert": upsert}


DELETE = ("delete-thread", {})
LATEST = ("get-tuple", {})
ALL = ("list", {})


def answer_after(*requests):
    """What a last read must be answered with, after the requests before it."""
    state = State()
    for call, body in requests:
        state, answer = state.after(Operation(call, body, 0))
    return answer


def at(request, invoked, returned, answer="stored"):
    return Operation(*request, invoked=invoked, returned=returned, answer=answer)


def unknown(request, invoked):
    return Operation(*request, invoked=invoked)


BLOB = [("c", "1", "first")]
OTHER_BLOB = [("c", "1", "second")]

POSSIBLE = {
    "one after the other": [
        at(put("1", 1), 0, 1),
        at(put_writes("a", "b"), 2, 3),
        at(LATEST, 4, 5, answer_after(put("1", 1), put_writes("a", "b"), LATEST)),
        at(DELETE, 6, 7),
        at(LATEST, 8, 9, "nothing"),
        at(ALL, 10, 11, ()),
    ],
    "an overlapping read sees it or not": [
        at(put("1", 1), 0, 10),
        at(LATEST, 1, 2, "nothing"),
        at(LATEST, 3, 4, answer_after(put("1", 1), LATEST)),
    ],
    "overlapping puts in either order": [
        at(put("1", 1), 0, 10),
        at(put("1", 2), 0, 10),
        at(LATEST, 11, 12, answer_after(put("1", 2), put("1", 1), LATEST)),
    ],
    "unknown and late": [
        unknown(put("1", 1), 0),
        at(LATEST, 5, 6, "nothing"),
        at(LATEST, 7, 8, answer_after(put("1", 1), LATEST)),
    ],
    "unknown and never": [unknown(put("1", 1), 0), at(LATEST, 5, 6, "nothing")],
    "the first bytes of a blob stay": [
        at(put("1", 1, BLOB), 0, 1),
        at(put("1", 2, OTHER_BLOB), 2, 3),
        at(LATEST, 4, 5, answer_after(put("1", 1, BLOB), put("1", 2, BLOB), LATEST)),
    ],
}


@pytest.mark.parametrize("name", POSSIBLE)
def test_what_is_possible_is_taken(name):
    assert check(POSSIBLE[name]) is not None


IMPOSSIBLE = {
    "a lost write": [at(put("1", 1), 0, 1), at(LATEST, 2, 3, "nothing")],
    "a stale read": [
        at(put("1", 1), 0, 1),
        at(put("1", 2), 2, 3),
        at(LATEST, 4, 5, answer_after(put("1", 1), LATEST)),
    ],
    "seen, and then not yet": [
        at(put("1", 1), 0, 10),
        at(LATEST, 1, 2, answer_after(put("1", 1), LATEST)),
        at(LATEST, 3, 4, "nothing"),
    ],
    "half a request": [
        at(put("1", 1), 0, 1),
        at(put_writes("a", "b"), 2, 9),
        at(LATEST, 3, 4, answer_after(put("1", 1), put_writes("a"), LATEST)),
    ],
    "half a request that nobody answered": [
        at(put("1", 1), 0, 1),
        unknown(put_writes("a", "b"), 2),
        at(LATEST, 3, 4, answer_after(put("1", 1), put_writes("a"), LATEST)),
    ],
    "a thread that came back": [
        at(put("1", 1), 0, 1),
        at(DELETE, 2, 3),
        at(LATEST, 4, 5, answer_after(put("1", 1), LATEST)),
    ],
    "a thread half deleted": [
        at(put("1", 1), 0, 1),
        at(put_writes("a"), 2, 3),
        at(DELETE, 4, 5),
        at(put("1", 2), 6, 7),
        at(LATEST, 8, 9, answer_after(put_writes("a"), put("1", 2), LATEST)),
    ],
    "the last one kept, not the first": [
        at(put("1", 1), 0, 1),
        at(put_writes("a"), 2, 3),
        at(put_writes("b"), 4, 5),
        at(LATEST, 6, 7, answer_after(put("1", 1), put_writes("b"), LATEST)),
    ],
    "an upsert without effect": [
        at(put("1", 1), 0, 1),
        at(put_writes("a"), 2, 3),
        at(put_writes("b", upsert=True), 4, 5),
        at(LATEST, 6, 7, answer_after(put("1", 1), put_writes("a"), LATEST)),
    ],
    "one request, two effects": [
        at(put("1", 1), 0, 20),
        at(LATEST, 1, 2, answer_after(put("1", 1), LATEST)),
        at(DELETE, 3, 4),
        at(LATEST, 5, 6, answer_after(put("1", 1), LATEST)),
    ],
    "a blob overwritten": [
        at(put("1", 1, BLOB), 0, 1),
        at(put("1", 2, OTHER_BLOB), 2, 3),
        at(LATEST, 4, 5, answer_after(put("1", 2, OTHER_BLOB), LATEST)),
    ],
    "a list in the wrong order": [
        at(put("1", 1), 0, 1),
        at(put("2", 1), 2, 3),
        at(ALL, 4, 5, answer_after(put("1", 1), put("2", 1), ALL)[::-1]),
    ],
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_is_impossible_is_seen(name):
    with pytest.raises(NotLinearizable):
        check(IMPOSSIBLE[name])


TWICE = "one request, two effects"


@pytest.mark.parametrize("name", [*POSSIBLE, *IMPOSSIBLE])
def test_what_may_repeat(name):
    """Where a request may be stored again before it is answered, that is taken and nothing else is."""
    if name in POSSIBLE or name == TWICE:
        check((POSSIBLE | IMPOSSIBLE)[name], may_repeat=True)
    else:
        with pytest.raises(NotLinearizable):
            check(IMPOSSIBLE[name], may_repeat=True)


def generated(numbers, length, overlap=4.0):
    """A history of overlapping requests that a real store could have given: each happens at one moment of its own."""
    requests = []
    for number in range(length):
        moment = float(number)
        kind = numbers.random()
        if kind < 0.3:
            request = put(str(numbers.randint(1, 3)), number, [("c", str(numbers.randint(1, 2)), f"b{number}")])
        elif kind < 0.6:
            request = put_writes(f"w{number}", f"v{number}", upsert=numbers.random() < 0.5)
        else:
            request = DELETE if kind < 0.65 else numbers.choice([LATEST, ALL])
        requests.append((moment, request))
    state, history = State(), []
    for moment, request in requests:
        state, answer = state.after(Operation(*request, invoked=moment))
        begin, end = moment - numbers.uniform(0, overlap), moment + numbers.uniform(0, overlap)
        is_lost = request[0] not in ("get-tuple", "list") and numbers.random() < 0.02
        history.append(unknown(request, begin) if is_lost else at(request, begin, end, answer))
    return history


def test_generated_histories(seed):
    """Long ones are taken; with one answer exchanged for another's they are hardly ever."""
    numbers = random.Random(seed)
    for _ in range(20):
        check(generated(numbers, 120))
    seen = 0
    for _ in range(20):
        history = generated(numbers, 60, overlap=2.0)
        reads = [n for n, o in enumerate(history) if o.call == "get-tuple" and o.answer != "nothing"]
        early, late = reads[0], reads[-1]
        history[late] = at(LATEST, history[late].invoked, history[late].returned, history[early].answer)
        try:
            check(history)
        except NotLinearizable:
            seen += 1
    assert seen >= 15
