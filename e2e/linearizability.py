"""Whether what concurrent clients were answered could have come from one store that does one request at a time.

Every call names one thread, and threads do not touch each other, so each thread's history is looked at by itself. The
search is Wing and Gong's: of the requests that could have been next, one is, and its answer must be what the model
gives; where a choice leads nowhere the search goes back and takes another. What was seen before (the same requests
done, the same state reached) is not searched twice.

A request without an answer, or with a 503, may have happened at any moment after it was sent, or never.

Where connections to the database are lost, a server that does not know whether it has stored a request does so again
before it answers. `may_repeat` allows just that: a put or put-writes may have happened once more, before it happened for
the last time, and never after its answer.
"""

import json
import math
from dataclasses import dataclass, field

READS = ("get-tuple", "list")
REPEATED = ("put", "put-writes")


@dataclass(frozen=True)
class Operation:
    """One request of a history. `answer` is None, and `returned` infinite, when nothing is known of its outcome."""

    call: str
    body: dict
    invoked: float
    returned: float = math.inf
    answer: object = None
    client: str = ""

    @property
    def is_known(self):
        return self.returned != math.inf

    def __str__(self):
        told = self.answer if self.is_known else "unknown"
        times = f"{self.invoked:.6f}–{self.returned:.6f}"
        return f"{times} {self.client} {self.call} {json.dumps(self.body)} → {told}"


# MARK: the model


@dataclass(frozen=True)
class State:
    """One thread: checkpoints by id, blobs by channel and version, writes by checkpoint, task and number."""

    checkpoints: dict = field(default_factory=dict)
    blobs: dict = field(default_factory=dict)
    writes: dict = field(default_factory=dict)

    def key(self):
        """What two equal states have in common, hashable."""
        return tuple(frozenset(part.items()) for part in (self.checkpoints, self.blobs, self.writes))

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

    def get_tuple(self, body):
        checkpoint_id = body.get("checkpoint_id") or max(self.checkpoints, default=None)
        if checkpoint_id not in self.checkpoints:
            return self, "nothing"
        versions = json.loads(self.checkpoints[checkpoint_id][1])["channel_versions"]
        blobs = {(*pair, *self.blobs[pair]) for pair in versions.items() if pair in self.blobs}
        writes = sorted(
            (task, idx, *value) for (checkpoint, task, idx), value in self.writes.items() if checkpoint == checkpoint_id
        )
        return self, (checkpoint_id, *self.checkpoints[checkpoint_id], frozenset(blobs), tuple(writes))

    def list(self, _body):
        return self, tuple((key, *self.checkpoints[key]) for key in sorted(self.checkpoints, reverse=True))


def text(value):
    """JSON as something that can be compared and hashed."""
    return json.dumps(value, sort_keys=True)


def answer_of(call, value):
    """A server's answer in the model's terms."""
    if call == "list":
        return tuple(checkpoint_of(item) for item in value)
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


def check(history, may_repeat=False):
    """Raises NotLinearizable unless there is an order that explains one thread's answers; gives it."""
    # A read without an answer tells nothing and changes nothing.
    operations = sorted((o for o in history if o.is_known or o.call not in READS), key=lambda o: o.invoked)
    wanted = sum(1 << number for number, operation in enumerate(operations) if operation.is_known)
    seen, best = set(), []
    stack = [(0, 0, State(), [])]
    while stack:
        done, begun, state, order = stack.pop()
        if done & wanted == wanted:
            return [operations[number] for number in order]
        best = max(best, order, key=len)
        for number, after in steps(operations, done, state):
            bit, key = 1 << number, after.key()
            choices = [(done | bit, begun & ~bit, key)]
            if may_repeat and operations[number].call in REPEATED and not begun & bit and key != state.key():
                choices.insert(0, (done, begun | bit, key))
            for choice in choices:
                if choice not in seen:
                    seen.add(choice)
                    stack.append((*choice[:2], after, [*order, number]))
    raise NotLinearizable(what_is_wrong(operations, best))


def steps(operations, done, state):
    """Which requests could be next, with the state after each; the likeliest last, where the search begins."""
    left = [(number, operation) for number, operation in enumerate(operations) if not done >> number & 1]
    # Nothing can come before a request that had been answered when it was sent.
    first_return = min((operation.returned for _, operation in left), default=math.inf)
    possible = []
    for number, operation in left:
        if operation.invoked > first_return:
            break
        after, answer = state.after(operation)
        if operation.is_known and answer != operation.answer:
            continue
        if not operation.is_known and after.key() == state.key():
            # It may as well never have happened.
            continue
        if operation.call in READS:
            # It changes nothing, so it might as well be done now: no other choice can be better.
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
