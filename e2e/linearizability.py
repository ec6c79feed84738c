"""Whether what concurrent clients were answered could have come from one store that does one request at a time.

Every call names one thread, and threads do not touch each other, so each thread's history is looked at by itself. The
search is Wing and Gong's: of the requests that could have been next, one is, and its answer must be what the model
gives; where a choice leads nowhere the search goes back and takes another. What was seen before (the same requests
done, the same state reached) is not searched twice. Every request writes bytes of its own, so what nobody has seen of a
request of unknown outcome is left out at first: an order without it explains the answers as well.

A request without an answer, or with a 503, may have happened at any moment after it was sent, or never. Where the
process that had it was killed and the store lives in that process, it can have happened only until then.

Where connections to the database are lost, a server that does not know whether it has stored a request does so again
before it answers. `may_repeat` allows just that: a put or put-writes may have happened once more, before it happened
for the last time, and never after its answer.

    python e2e/linearizability.py FILE ...      checks histories that `history.Recorder` wrote

Each line of such a file is an event, as JSON: `begin` with what the store may do; `invoke` of an operation, and then
`ok` with the answer, `fail` when it certainly did not happen, `unknown` or nothing; `kill` and `start` of a server.
"""

import contextlib
import functools
import itertools
import json
import math
import random
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace

READS = ("get-tuple", "list")
REPEATED = ("put", "put-writes")
# So many choices are searched, each time; a history that a store gave needs some thousands.
SEARCH_LIMIT = 30_000
# Searches of all requests before it is called undecided, all but one with a part of the steps in any order.
ATTEMPTS, DETOURS = 5, 0.2


@dataclass(frozen=True)
class Operation:
    """One request of a history. `answer` is None, and `returned` infinite, when nothing is known of its outcome.

    Then it did not happen after `until`.
    """

    call: str
    body: dict
    invoked: float
    returned: float = math.inf
    answer: object = None
    client: str = ""
    until: float = math.inf

    @property
    def is_known(self):
        return self.returned != math.inf

    def __str__(self):
        told = self.answer if self.is_known else f"unknown, until {self.until:.6f}"
        times = f"{self.invoked:.6f}–{self.returned:.6f}"
        return f"{times} {self.client} {self.call} {json.dumps(self.body)} → {told}"


# MARK: the model


@dataclass(frozen=True)
class State:
    """One thread: checkpoints by id, blobs by channel and version, writes by checkpoint, task and number."""

    checkpoints: dict = field(default_factory=dict)
    blobs: dict = field(default_factory=dict)
    writes: dict = field(default_factory=dict)

    @functools.cached_property
    def key(self):
        """What two equal states have in common, hashable."""
        return tuple(frozenset(part.items()) for part in self.parts())

    def after(self, operation):
        """The state after a request, and its answer, in the form that `answer_of` gives to real ones."""
        return getattr(self, operation.call.replace("-", "_"))(operation.body)

    def put(self, body):
        old = self.checkpoints.get(body["checkpoint_id"])
        parent = old[0] if old else body["parent_checkpoint_id"]
        new = (parent, text(body["checkpoint"]), text(body["metadata"]))
        blobs = {(b["channel"], b["version"]): (b["type"], b["blob"]) for b in reversed(body["blobs"])}
        checkpoints = {**self.checkpoints, body["checkpoint_id"]: new}
        return State(checkpoints, {**blobs, **self.blobs}, self.writes), "stored"

    def put_writes(self, body):
        writes = dict(self.writes)
        for write in body["writes"]:
            key = (body["checkpoint_id"], write["task_id"], write["idx"])
            if body["upsert"] or key not in writes:
                writes[key] = (write["channel"], write["type"], write["blob"])
        return State(self.checkpoints, self.blobs, writes), "stored"

    def delete_thread(self, _body):
        return State(), "stored"

    def prune(self, body):
        """What stays are the newest, and those from which branches part: nothing here waits for an answer."""
        if body.get("strategy") == "delete":
            kept, writes, blobs = set(), {}, {}
        else:
            parents = Counter(row[0] for key, row in self.checkpoints.items() if row[0] != key)
            newest = sorted(self.checkpoints, reverse=True)[: body.get("keep_last", 1)]
            kept = {key for key in self.checkpoints if key in newest or parents[key] > 1}
            gone = self.checkpoints.keys() - kept
            unneeded = self._versions(gone) - self._versions(kept)
            writes = {key: value for key, value in self.writes.items() if key[0] not in gone}
            blobs = {key: value for key, value in self.blobs.items() if key not in unneeded}
        checkpoints = {
            key: (row[0] if row[0] in kept or row[0] not in self.checkpoints else None, *row[1:])
            for key, row in self.checkpoints.items()
            if key in kept
        }
        removed = [len(old) - len(new) for old, new in zip(self.parts(), (checkpoints, blobs, writes), strict=True)]
        return State(checkpoints, blobs, writes), ("pruned", *removed, len(kept))

    def _versions(self, checkpoint_ids):
        """What these name, as channels and versions."""
        return {
            pair for key in checkpoint_ids for pair in json.loads(self.checkpoints[key][1])["channel_versions"].items()
        }

    def parts(self):
        return self.checkpoints, self.blobs, self.writes

    def get_tuple(self, body):
        checkpoint_id = body.get("checkpoint_id") or max(self.checkpoints, default=None)
        if checkpoint_id not in self.checkpoints:
            return self, "nothing"
        blobs = {(*pair, *self.blobs[pair]) for pair in self._versions([checkpoint_id]) if pair in self.blobs}
        writes = sorted(
            (task, idx, *value) for (checkpoint, task, idx), value in self.writes.items() if checkpoint == checkpoint_id
        )
        return self, (checkpoint_id, *self.checkpoints[checkpoint_id], frozenset(blobs), tuple(writes))

    def list(self, body):
        newest_first = sorted(self.checkpoints, reverse=True)
        if body.get("include"):
            return self, tuple(self.get_tuple({"checkpoint_id": key})[1] for key in newest_first)
        return self, tuple((key, *self.checkpoints[key]) for key in newest_first)


def text(value):
    """JSON as something that can be compared and hashed."""
    return json.dumps(value, sort_keys=True)


def answer_of(call, value):
    """A server's answer in the model's terms."""
    if call == "list":
        return tuple(answer_of("get-tuple", item) if "blobs" in item else checkpoint_of(item) for item in value)
    if call == "prune":
        return ("pruned", *(value[name] for name in ("checkpoints", "blobs", "writes")), value["threads"][0]["kept"])
    if call != "get-tuple":
        return "stored"
    if value is None:
        return "nothing"
    blobs = frozenset((b["channel"], b["version"], b["type"], b["blob"]) for b in value["blobs"])
    fields = ("task_id", "idx", "channel", "type", "blob")
    writes = tuple(tuple(write[name] for name in fields) for write in value["pending_writes"])
    return (*checkpoint_of(value), blobs, writes)


def checkpoint_of(item):
    return (item["checkpoint_id"], item["parent_checkpoint_id"], text(item["checkpoint"]), text(item["metadata"]))


# MARK: the search


class NotLinearizable(AssertionError):
    """No order of the requests explains the answers."""


class Undecided(AssertionError):
    """The search is too long: too many requests of unknown outcome."""


def check(history, may_repeat=False):
    """Raises NotLinearizable unless there is an order that explains one thread's answers; gives it."""
    # A read without an answer tells nothing and changes nothing.
    operations = sorted((o for o in history if o.is_known or o.call not in READS), key=lambda o: o.invoked)
    # What is unknown may never have happened, so an order without it is one; to look for that first is much shorter.
    seen = set().union(*(texts(operation.answer) for operation in operations))
    observed = [o for o in operations if o.is_known or not values_of(o) or values_of(o) & seen]
    known = [o for o in operations if o.is_known]
    narrower = [(known, False), (observed, False)]
    if may_repeat:
        narrower += [(observed, True), (operations, False)]
    for fewer, repeats in narrower:
        with contextlib.suppress(NotLinearizable, Undecided):
            return search(fewer, repeats)
    # Which order is looked at first is chance: where one search loses its way, another may not.
    for attempt in range(ATTEMPTS - 1):
        with contextlib.suppress(Undecided):
            return search(operations, may_repeat, random.Random(attempt) if attempt else None)
    return search(operations, may_repeat, random.Random(ATTEMPTS))


def values_of(operation):
    """What an answer has of a request that happened; nothing of one that only takes away."""
    body = operation.body
    rows = body.get("blobs", []) + body.get("writes", [])
    names = {body["parent_checkpoint_id"], text(body["checkpoint"])} if "checkpoint" in body else set()
    return names | {row["blob"] for row in rows}


def texts(answer):
    """All strings in an answer."""
    if isinstance(answer, str):
        return {answer}
    return set().union(*map(texts, answer)) if isinstance(answer, tuple | frozenset) else set()


def search(operations, may_repeat, chance=None):
    """An order of these; raises NotLinearizable when there is none. With `chance`, some steps begin elsewhere."""
    wanted = sum(1 << number for number, operation in enumerate(operations) if operation.is_known)
    seen, best = set(), (0, None, None)
    stack = [(0, 0, State(), best)]
    while stack:
        done, begun, state, order = stack.pop()
        if done & wanted == wanted:
            return [operations[number] for number in numbers_of(order)]
        best = max(best, order, key=lambda order: order[0])
        nexts = list(steps(operations, done, state))
        if chance and chance.random() < DETOURS:
            chance.shuffle(nexts)
        for number, after in nexts:
            bit = 1 << number
            choices = [(done | bit, begun & ~bit, after.key)]
            if may_repeat and operations[number].call in REPEATED and not begun & bit and after.key != state.key:
                choices.insert(0, (done, begun | bit, after.key))
            for choice in choices:
                if choice not in seen:
                    seen.add(choice)
                    stack.append((*choice[:2], after, (order[0] + 1, number, order)))
        if len(seen) > SEARCH_LIMIT:
            raise Undecided(f"not decided after {SEARCH_LIMIT} choices; {what_is_wrong(operations, numbers_of(best))}")
    raise NotLinearizable(what_is_wrong(operations, numbers_of(best)))


def numbers_of(order):
    """The numbers of an order, which is kept as its length, its last number and the order before."""
    numbers = []
    while order[2] is not None:
        numbers.append(order[1])
        order = order[2]
    return numbers[::-1]


def steps(operations, done, state):
    """Which requests could be next, with the state after each; the likeliest last, where the search begins."""
    possible = []
    # Nothing can come before a request that had been answered when it was sent.
    first_return, first_end = math.inf, math.inf
    latest = operations[done.bit_length() - 1].invoked if done else -math.inf
    for number in range((~done & (done + 1)).bit_length() - 1, len(operations)):
        operation = operations[number]
        if done >> number & 1 or operation.until < latest:
            continue
        if operation.invoked > first_return:
            break
        first_return = min(first_return, operation.returned)
        first_end = min(first_end, operation.until)
        after, answer = state.after(operation)
        if operation.is_known and answer != operation.answer:
            continue
        if not operation.is_known and after.key == state.key:
            # It may as well never have happened.
            continue
        if operation.call in READS and operation.invoked <= first_end:
            # It changes nothing and rules nothing out, so it might as well be done now: no other choice can be better.
            return [(number, after)]
        possible.append((number, operation, after))
    possible.sort(key=lambda step: step[1].returned, reverse=True)
    return [(number, after) for number, _, after in possible]


def what_is_wrong(operations, order):
    """The longest order that worked, with what would have to follow."""
    state = State()
    for number in order:
        state, _ = state.after(operations[number])
    left = [operation for number, operation in enumerate(operations) if number not in set(order)]
    lines = [f"{len(order)} of {len(operations)} requests can be put in order; then:"]
    for operation in left[:8]:
        lines.append(f"  {operation}")
        lines.append(f"    the model says {state.after(operation)[1]}")
    return "\n".join([*lines, "before it:", *(f"  {operations[number]}" for number in order[-12:])])


# MARK: files


@dataclass
class History:
    """What a file says: the operations of each thread, and how many events there were of each kind."""

    threads: dict
    counts: Counter
    may_repeat: bool = False


def thread_of(body):
    return body["thread_ids"][0] if "thread_ids" in body else body["thread_id"]


def read(path):
    """The history in a file."""
    invoked, outcomes, lives, counts, about = {}, {}, defaultdict(list), Counter(), {}
    with open(path, encoding="utf-8") as file:
        for event in map(json.loads, file):
            counts[event["event"]] += 1
            match event["event"]:
                case "begin":
                    about = event
                case "invoke":
                    invoked[event["operation"]] = event
                case "ok" | "fail" | "unknown":
                    outcomes[event["operation"]] = event
                case "kill" | "start":
                    lives[event["server"]].append(event)
    threads = defaultdict(list)
    for number, event in invoked.items():
        outcome = outcomes.get(number, {"event": "unknown", "time": math.inf})
        operation = Operation(event["call"], event["body"], event["time"], client=event["client"])
        if outcome["event"] == "ok":
            answer = answer_of(operation.call, outcome["value"])
            operation = replace(operation, returned=outcome["time"], answer=answer)
        elif outcome["event"] == "unknown" and about.get("kill_is_final"):
            operation = replace(operation, until=end_of(operation, outcome["time"], lives[event["server"]]))
        if outcome["event"] != "fail":
            threads[thread_of(operation.body)].append(operation)
    return History(dict(threads), counts, about.get("may_repeat", False))


def end_of(operation, gave_up, lives):
    """When the process was dead that had the request; infinite when none was killed for certain.

    It was sent before the client gave up: what is started after that has never heard of it.
    """
    for event, following in itertools.pairwise([*lives, None]):
        is_before_a_start = following is None or gave_up <= following["time"]
        if event["event"] == "kill" and operation.invoked <= event["time"] and is_before_a_start:
            return event["time"]
    return math.inf


def check_file(path):
    """Checks each thread of a history that was written down; gives the history."""
    history = read(path)
    for thread, operations in sorted(history.threads.items()):
        try:
            check(operations, history.may_repeat)
        except AssertionError as error:
            error.add_note(f"in thread {thread}; again: python e2e/linearizability.py {path}")
            raise
    return history


def main(paths):
    """Prints a line for each file, with what is wrong with it; gives the exit code."""
    failures = 0
    for path in paths:
        try:
            history = check_file(path)
            print(f"{path}: {len(history.threads)} threads are linearizable; {dict(history.counts)}")
        except AssertionError as error:
            failures += 1
            print(f"{path}: {type(error).__name__} {error.__notes__[0]}\n{error}")
    return 1 if failures or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
