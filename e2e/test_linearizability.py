"""The checker of histories itself: it takes what is possible, and sees what is not."""

import json
import math
import random

import pytest

import linearizability
from linearizability import NotLinearizable, Operation, State, Undecided, check

pytestmark = pytest.mark.breaking


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
FIRST = ("get-tuple", {"checkpoint_id": "1"})
ALL = ("list", {})
PRUNE = ("prune", {"keep_last": 1})


def answer_after(*requests):
    """What a last read must be answered with, after the requests before it."""
    state = State()
    for call, body in requests:
        state, answer = state.after(Operation(call, body, 0))
    return answer


def at(request, invoked, returned, answer="stored"):
    return Operation(*request, invoked=invoked, returned=returned, answer=answer)


def pruned(invoked, returned, *before):
    return at(PRUNE, invoked, returned, answer_after(*before, PRUNE))


def unknown(request, invoked, until=math.inf):
    return Operation(*request, invoked=invoked, until=until)


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

POSSIBLE |= {
    "a prune keeps the newest": [
        at(put("1", 1, BLOB), 0, 1),
        at(put("2", 2, BLOB), 2, 3),
        pruned(4, 5, put("1", 1, BLOB), put("2", 2, BLOB)),
        at(ALL, 6, 7, answer_after(put("2", 2, BLOB), ALL)),
        at(LATEST, 8, 9, answer_after(put("2", 2, BLOB), LATEST)),
    ],
    "a request that was under way at a kill, before it": [
        unknown(put("1", 1), 0, until=5),
        at(LATEST, 6, 7, answer_after(put("1", 1), LATEST)),
    ],
    "a request that was under way at a kill, never": [unknown(put("1", 1), 0, until=5), at(LATEST, 6, 7, "nothing")],
    "a read that a late request does not touch comes after it": [
        at(put("1", 1), 0, 1),
        unknown(put("2", 2), 2, until=5),
        at(FIRST, 6, 9, answer_after(put("1", 1), FIRST)),
        at(LATEST, 10, 11, answer_after(put("1", 1), put("2", 2), LATEST)),
    ],
    "a retry while the first attempt is under way": [
        unknown(put("1", 1), 0),
        at(put("1", 1), 2, 3),
        at(put("1", 2), 4, 5),
        at(LATEST, 6, 7, answer_after(put("1", 1), LATEST)),
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

TWO = [at(put("1", 1, BLOB), 0, 1), at(put("2", 2, [("d", "1", "other")]), 2, 3)]
PUTS = [(operation.call, operation.body) for operation in TWO]
IMPOSSIBLE |= {
    "lost at a kill": [
        at(put("1", 1), 0, 1),
        unknown(put("2", 2), 2, until=5),
        at(LATEST, 6, 7, "nothing"),
    ],
    "an old value after a kill": [
        at(put("1", 1), 0, 1),
        at(put("1", 2), 2, 3),
        unknown(put("1", 3), 4, until=5),
        at(LATEST, 6, 7, answer_after(put("1", 1), LATEST)),
    ],
    "done after the process was dead": [
        unknown(put("1", 1), 0, until=5),
        at(LATEST, 6, 7, "nothing"),
        at(LATEST, 8, 9, answer_after(put("1", 1), LATEST)),
    ],
    "a retry done again after its answer": [
        unknown(put("1", 1), 0, until=1.5),
        at(put("1", 1), 2, 3),
        at(put("1", 2), 4, 5),
        at(LATEST, 6, 7, answer_after(put("1", 1), LATEST)),
    ],
    "a retry that replaces what was kept": [
        at(put("1", 1), 0, 1),
        at(put_writes("a"), 2, 3),
        unknown(put_writes("b"), 4),
        at(put_writes("b"), 6, 7),
        at(LATEST, 8, 9, answer_after(put("1", 1), put_writes("b"), LATEST)),
    ],
    "half a prune: a blob is gone and its checkpoint is there": [
        *TWO,
        Operation(*PRUNE, 4),
        at(FIRST, 6, 7, (*answer_after(*PUTS, FIRST)[:4], frozenset(), ())),
    ],
    "half a prune: one of two checkpoints is gone": [
        *TWO,
        at(put("3", 3), 4, 5),
        Operation(*PRUNE, 6),
        at(ALL, 8, 9, answer_after(PUTS[1], put("3", 3), ALL)),
    ],
    "a prune that is undone": [
        *TWO,
        pruned(4, 5, *PUTS),
        at(ALL, 6, 7, answer_after(PUTS[1], ALL)),
        at(ALL, 8, 9, answer_after(*PUTS, ALL)),
    ],
    "a prune that counts wrong": [*TWO, at(PRUNE, 4, 5, ("pruned", 2, 1, 0, 1))],
    "a value of another thread": [
        at(put("1", 1), 0, 1),
        at(LATEST, 2, 3, answer_after(put("1", "of another thread"), LATEST)),
    ],
    "a value of another thread, while something is unknown": [
        at(put("1", 1), 0, 1),
        unknown(put("1", 2), 2),
        unknown(put_writes("a", "b"), 2),
        at(LATEST, 4, 5, answer_after(put("1", "of another thread"), LATEST)),
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


def test_too_much_that_is_unknown_is_no_pass(monkeypatch):
    monkeypatch.setattr(linearizability, "SEARCH_LIMIT", 100)
    history = [unknown(put("1", number), 0) for number in range(10)]
    with pytest.raises(Undecided):
        check([*history, at(LATEST, 1, 2, answer_after(put("1", "of another thread"), LATEST))])


# MARK: files


def written(path, *events, **about):
    """Writes the events, one after the other."""
    lines = [{"event": "begin", "time": 0, **about}, *({"time": time, **event} for time, event in enumerate(events, 1))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def invoke(number, request):
    call, body = request
    return {
        "event": "invoke", "operation": number, "client": "c", "server": 0, "call": call,
        "body": {"thread_id": "t", **body},
    }  # fmt: skip


def outcome(event, number, value=None):
    return {"event": event, "operation": number, "value": value}


KILL, START = ({"event": event, "server": 0} for event in ("kill", "start"))
TUPLE = {
    "checkpoint_id": "1", "parent_checkpoint_id": None, "checkpoint": put("1", 1)[1]["checkpoint"], "metadata": {},
    "blobs": [], "pending_writes": [],
}  # fmt: skip
LATE = [invoke(2, LATEST), outcome("ok", 2), invoke(3, LATEST), outcome("ok", 3, TUPLE)]
FILES = {
    "stored": (0, [invoke(1, put("1", 1)), outcome("ok", 1), invoke(2, LATEST), outcome("ok", 2, TUPLE)]),
    "lost": (1, [invoke(1, put("1", 1)), outcome("ok", 1), invoke(2, LATEST), outcome("ok", 2)]),
    "unknown and late": (0, [invoke(1, put("1", 1)), outcome("unknown", 1), *LATE]),
    "without an outcome, and late": (0, [invoke(1, put("1", 1)), *LATE]),
    "it did not happen": (1, [invoke(1, put("1", 1)), outcome("fail", 1), *LATE]),
    "late, and the server was killed": (1, [invoke(1, put("1", 1)), outcome("unknown", 1), KILL, START, *LATE]),
    "heard of the kill before the start": (1, [invoke(1, put("1", 1)), KILL, outcome("unknown", 1), START, *LATE]),
    "perhaps sent after the start": (0, [invoke(1, put("1", 1)), KILL, START, outcome("unknown", 1), *LATE]),
    "sent after the kill": (0, [KILL, START, invoke(1, put("1", 1)), outcome("unknown", 1), *LATE]),
}


@pytest.mark.parametrize("name", FILES)
def test_files(tmp_path, capsys, name):
    """The command says what is wrong, of which thread, and how to look again."""
    code, events = FILES[name]
    path = written(tmp_path / "history.jsonl", *events, kill_is_final=True)
    assert linearizability.main([path]) == code
    said = capsys.readouterr().out
    assert path in said and ("in thread t; again: python" in said) == (code == 1)


def test_a_kill_is_not_final_with_a_database_behind_the_server(tmp_path):
    _, events = FILES["late, and the server was killed"]
    assert linearizability.main([written(tmp_path / "history.jsonl", *events)]) == 0


def test_threads_are_looked_at_one_by_one(tmp_path, capsys):
    """What one thread was told is of no use to another."""
    other = {**invoke(2, LATEST), "body": {"thread_id": "other"}}
    path = written(tmp_path / "h", invoke(1, put("1", 1)), outcome("ok", 1), other, outcome("ok", 2, TUPLE))
    assert linearizability.main([path]) == 1
    assert "in thread other" in capsys.readouterr().out


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
        elif kind < 0.7:
            request = DELETE if kind < 0.65 else PRUNE
        else:
            request = numbers.choice([LATEST, ALL])
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
