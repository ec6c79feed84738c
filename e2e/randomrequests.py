"""Random requests from pools small enough that they meet, the same for the same seed; some of them malformed."""

import base64
import json

THREADS = ["t1", "t1", "t2", "té", "1ef4f797-8335-6428-8001-8a1503f9b875"]
NAMESPACES = ["", "", "a", "a:1|b"]
UUID = "1ef4f797-8335-6428-8001-8a1503f9b875"
IDS = ["c1", "c2", "c3", "C3", "cé", "ce\u0301", UUID]
CHANNELS = ["a", "b", "__start__"]
VERSIONS = ["1", "2", "3", f"{6:032}.0.5", f"{7:032}.0.25"]
# Texts that PostgreSQL's jsonb cannot hold, with the one that stands for them there.
ODD_TEXTS = ["\0", "\0", "\ud800", "\ufffd", "\ufffd"]
TYPES = ["msgpack", "msgpack", "json", "null", "empty", "bytes"]
# A checkpoint's id is made from the time, so that the same id in two namespaces has the same.
TIMES = {"c1": "2026-11-26T10:00:00+00:00", "c2": "2026-11-26T11:00:00.123456+00:00", "c3": "soon", "C3": 1}
NOTHING = object()
# What a value of a body is replaced by.
ODD_VALUES = [None, True, -1, 0, 1.5, 1e400, 2**70, "", "\0", "\ud800", "x" * 3_000, [], [None], {}, {"a": 1}, NOTHING]


class Requests:
    """Makes one request after the other: method, path, body as bytes."""

    def __init__(self, random):
        self.random = random

    def __iter__(self):
        return self

    def __next__(self):
        makers = [
            (24, self._put),
            (18, self._put_writes),
            (12, self._get_tuple),
            (12, self._list),
            (4, self._history),
            (2, self._delete),
            (3, self._copy),
            (1, self._delete_runs),
            (5, self._prune),
            (4, self._threads),
            (5, self._set_retention),
            (3, self._retention),
            (6, self._inspect),
        ]
        (maker,) = self.random.choices([one for _, one in makers], [weight for weight, _ in makers])
        method, path, body = maker()
        dice = self.random.random()
        if body is not None and dice < 0.15:
            body = self._with_an_odd_value(body)
        text = b"" if body is None else json.dumps(body, ensure_ascii=dice < 0.5).encode("utf-8", "surrogatepass")
        if text and dice > 0.97:
            text = self._damaged(text)
        return method, path, text

    def one_of(self, values):
        return self.random.choice(values)

    def some(self, make, most):
        return [make() for _ in range(self.random.randint(0, most))]

    def _maybe(self, **members):
        """Some of the members; those that may be left out."""
        return {name: value for name, value in members.items() if self.random.random() < 0.5}

    def _odd(self, text):
        """A text that starts like that."""
        return text + self.one_of(ODD_TEXTS)

    def _key(self):
        return {"thread_id": self.one_of(THREADS), "checkpoint_ns": self.one_of(NAMESPACES)}

    # MARK: the calls

    def _put(self):
        id = self.one_of(IDS)
        versions = {channel: self.one_of([*VERSIONS, 1, 2.0, self._odd("1")]) for channel in CHANNELS}
        if self.random.random() < 0.2:
            versions[self._odd("a")] = "1"
        metadata = {
            "step": self.random.randint(-1, 3),
            "source": self.one_of(["loop", "input", "update", "fork", self._odd("")]),
            "run_id": self.one_of(["r1", "r2", 1, self._odd("r")]),
            "parents": {"": self.one_of(IDS)},
            "odd": self.one_of([1e16, 1.0, 10**30, "\U0001f434", None, [1, {"b": []}], True, self._odd("")]),
        }
        document = {
            "v": self.one_of([1, 4, 3.5]),
            "ts": TIMES.get(id) or self.one_of(["2026", self._odd("2026")]),
            "channel_values": self.one_of([{}, {"a": [1, 2.50]}, {"b": None}, {self._odd("a"): self._odd("")}]),
            "channel_versions": versions,
            "versions_seen": self.one_of([{}, {"node": {"a": 1}}]),
        }
        optional = {
            "parent_checkpoint_id": self.one_of([None, *IDS]),
            "blobs": self.some(self._blob, 3),
            "metadata": metadata,
        }
        if self.random.random() < 0.2:
            optional["expected_head"] = self.one_of([None, *IDS])
        return "POST", "/checkpoints/put", {**self._key(), "checkpoint_id": id, "checkpoint": document, **optional}

    def _blob(self):
        return {
            "channel": self.one_of([*CHANNELS, "a\ufffd"]),
            "version": self.one_of([*VERSIONS, "1\ufffd"]),
            "type": self.one_of(TYPES),
            **self._maybe(blob=self.one_of([None, self._value(), self._value(), "not base64!"])),
        }

    def _value(self):
        """The base64 of msgpack, of JSON, of what grows, or of anything."""
        text = b"message of this thread; " * self.random.randint(1, 100)
        plain = [b"", b"\xa5hello", b"\x92\x01\x02", b'{"a": 1}', b"\xc7\x03\x07\x92\x01\x02", text]
        return base64.b64encode(self.one_of([*plain, self.random.randbytes(self.random.randint(0, 40))])).decode()

    def _put_writes(self):
        body = {**self._key(), "checkpoint_id": self.one_of(IDS), "writes": self.some(self._write, 3)}
        return "POST", "/checkpoints/put-writes", {**body, **self._maybe(upsert=self.one_of([True, False]))}

    def _write(self):
        return {
            "task_id": self.one_of(["t1", "t2", UUID]),
            "idx": self.one_of([0, 1, 10, -1, -3, 2**31 - 1, -(2**31)]),
            "channel": self.one_of([*CHANNELS, "__interrupt__", "__resume__", "__error__", "__pregel_tasks"]),
            "blob": self._value(),
            **self._maybe(
                type=self.one_of([None, *TYPES]),
                task_path=self.one_of(["", "~p", "~__pregel_pull, agent"]),
                upsert=self.one_of([None, True, False]),
            ),
        }

    def _get_tuple(self):
        some = self._maybe(checkpoint_id=self.one_of([None, *IDS]), include=self._include())
        return "POST", "/checkpoints/get-tuple", {**self._key(), **some}

    def _include(self):
        return self.one_of([None, [], ["blobs"], ["blobs", "pending_writes", "parent_sends"], ["nothing"]])

    def _list(self):
        some = self._maybe(
            checkpoint_ns=self.one_of([None, *NAMESPACES]),
            before_checkpoint_id=self.one_of([None, "", *IDS]),
            filter_metadata=self.one_of(
                [None, {}, {"step": 1}, {"run_id": "r1"}, {"odd": [1]}, {"odd": 1}, {"odd": self._odd("")}]
            ),
            limit=self.one_of([0, 1, 2, 100, 1_000, 1_001]),
            include=self._include(),
        )
        rare = {"across_threads": True} if self.random.random() < 0.2 else {}
        if self.random.random() < 0.2:
            rare["checkpoint_id"] = self.one_of(IDS)
        return "POST", "/checkpoints/list", {"thread_id": self.one_of(THREADS), **some, **rare}

    def _history(self):
        channels = self.one_of([[], ["a"], ["a", "b", "a"], [*CHANNELS, "a\ufffd"]])
        some = self._maybe(checkpoint_id=self.one_of([None, *IDS]))
        return "POST", "/checkpoints/delta-channel-history", {**self._key(), "channels": channels, **some}

    def _delete(self):
        return "POST", "/checkpoints/delete-thread", {"thread_id": self.one_of(THREADS)}

    def _copy(self):
        body = {"source_thread_id": self.one_of(THREADS), "target_thread_id": self.one_of([*THREADS, "copy"])}
        return "POST", "/checkpoints/copy-thread", body

    def _delete_runs(self):
        runs = self.one_of([[], ["r1"], ["r1", "r2"], [self._odd("r")]])
        return "POST", "/checkpoints/delete-for-runs", {"run_ids": runs}

    def _prune(self):
        some = self._maybe(
            strategy=self.one_of(["keep_latest", "keep_latest", "delete", "other"]), keep_last=self.one_of([0, 1, 2])
        )
        body = {"thread_ids": [self.one_of(THREADS)], "dry_run": self.one_of([True, False]), **some}
        return "POST", "/checkpoints/prune", body

    def _threads(self):
        path = self.one_of(["", "?limit=1", "?limit=2&after=dDE", "?limit=0", "?after=!", "/t1", "/t%C3%A9", "/none"])
        return "GET", f"/threads{path}", None

    def _retention(self):
        return "GET", f"/threads/{self.one_of(['t1', 't2', 't%C3%A9', UUID, 'none'])}/retention", None

    def _set_retention(self):
        pin = self.some(lambda: {"checkpoint_ns": self.one_of(NAMESPACES), "checkpoint_id": self.one_of(IDS)}, 1)
        some = self._maybe(ttl=self.one_of([None, 60, 0]), pin=self.one_of([None, pin]))
        hold = {"hold": True} if self.random.random() < 0.15 else {}
        return "PUT", f"/threads/{self.one_of(['t1', 't2', UUID, 'none'])}/retention", {**some, **hold}

    def _inspect(self):
        call = self.one_of(["history", "checkpoint", "difference", "sizes"])
        body = {"thread_id": self.one_of(THREADS)}
        if call in ("checkpoint", "difference"):
            body.update(self._maybe(checkpoint_ns=self.one_of(NAMESPACES), checkpoint_id=self.one_of([None, *IDS])))
        if call == "difference":
            body.update(self._maybe(from_checkpoint_id=self.one_of([None, *IDS])))
        if call == "history":
            body.update(self._maybe(limit=self.one_of([1, 2, 1_000])))
        return "POST", f"/inspector/{call}", body

    # MARK: malformed

    def _with_an_odd_value(self, body):
        """The body with one value, somewhere in it, replaced or taken away."""
        places, left = [], [body]
        while left:
            holder = left.pop()
            inside = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
            places += [(holder, name) for name, _ in inside]
            left += [value for _, value in inside if isinstance(value, (dict, list))]
        if places:
            holder, name = self.one_of(places)
            value = self.one_of(ODD_VALUES)
            if value is NOTHING:
                del holder[name]
            else:
                holder[name] = value
        return body

    def _damaged(self, text):
        """Bytes cut off, changed or added."""
        at = self.random.randrange(len(text))
        changed = text[:at] + bytes([self.random.randrange(256)]) + text[at + 1 :]
        return self.one_of([text[:at], text + b"}", changed, b"\xef\xbb\xbf" + text])
