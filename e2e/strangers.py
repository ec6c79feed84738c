"""Every call of the API as a stranger makes it: the questions that are asked of another tenant's thread.

A case is a function of the thread's id, which gives the requests to make one after the other. It is run once for a thread
of another tenant's and once for one that nobody has, and has to be answered the same.
"""

import base64
import json
from dataclasses import dataclass

from security import EVERYTHING, b64, checkpoint

GET, POST, PUT = "GET", "POST", "PUT"


@dataclass(frozen=True)
class Place:
    """What a case is about."""

    # The thread of another tenant, or one that does not exist; its run id; one of the stranger's own, not there yet.
    thread: str
    run: str
    own: str


@dataclass(frozen=True)
class Case:
    """The name of a case, the endpoint it is about, and its requests: (path, body), or (path, query) of a GET."""

    name: str
    endpoint: tuple
    requests: object
    # Whether its owner would be answered something else; otherwise the case would prove nothing.
    shows: bool = False


def cursor(*texts):
    """What x-next-cursor has, for a place in another's threads."""
    return base64.urlsafe_b64encode(json.dumps(texts, separators=(",", ":")).encode()).rstrip(b"=").decode()


def call(name, **body):
    return POST, f"/checkpoints/{name}", body


def inspect(name, **body):
    return POST, f"/inspector/{name}", body


def get(path, **query):
    return GET, path, query


def get_tuple(thread, **more):
    return call("get-tuple", thread_id=thread, **more)


def put(thread, **more):
    return call("put", **checkpoint(thread, **more))


def put_writes(thread, **more):
    write = {"task_id": "task", "idx": 0, "channel": "messages", "type": "bytes", "blob": b64(b"mine")}
    return call("put-writes", thread_id=thread, checkpoint_id="c3", writes=[write], **more)


def listed(**body):
    return call("list", **body)


def everything(thread):
    """What can be seen of a thread now."""
    return [
        get_tuple(thread, include=EVERYTHING),
        listed(thread_id=thread, include=EVERYTHING),
        listed(across_threads=True, include=EVERYTHING),
        get(f"/threads/{thread}"),
        get("/threads"),
    ]


def filters(place):
    """Metadata that only the other tenant's checkpoints have."""
    return [
        listed(across_threads=True, filter_metadata=wanted)
        for wanted in ({"run_id": place.run}, {"step": 3}, {"secret": "content"}, {})
    ] + [listed(thread_id=place.thread, filter_metadata={"run_id": place.run})]


VERSIONS = {"channel_versions": {"messages": "3", "count": "1"}}
THEIR_BLOB = {"channel": "messages", "version": "3", "type": "bytes", "blob": b64(b"mine")}

CASES = [
    Case("get-tuple", (POST, "/checkpoints/get-tuple"), lambda p: [get_tuple(p.thread)], True),
    Case("get-tuple of an id", (POST, "/checkpoints/get-tuple"), lambda p: [
        get_tuple(p.thread, checkpoint_id="c2", include=EVERYTHING),
        get_tuple(p.thread, checkpoint_ns="child"),
    ], True),
    Case("put", (POST, "/checkpoints/put"), lambda p: [put(p.thread), *everything(p.thread)]),
    Case("put over a checkpoint", (POST, "/checkpoints/put"), lambda p: [
        put(p.thread, checkpoint_id="c3", parent_checkpoint_id="c2"), *everything(p.thread),
    ]),
    Case("put of no head", (POST, "/checkpoints/put"), lambda p: [
        put(p.thread, expected_head=None), *everything(p.thread),
    ]),
    Case("put of their head", (POST, "/checkpoints/put"), lambda p: [
        put(p.thread, checkpoint_id="c4", expected_head="c3"), *everything(p.thread),
    ]),
    Case("put of another head", (POST, "/checkpoints/put"), lambda p: [put(p.thread, expected_head="c0")]),
    Case("put that names their blobs", (POST, "/checkpoints/put"), lambda p: [
        put(p.thread, checkpoint=VERSIONS), *everything(p.thread),
    ]),
    Case("put of a blob that they have", (POST, "/checkpoints/put"), lambda p: [
        put(p.thread, checkpoint=VERSIONS, blobs=[THEIR_BLOB]), *everything(p.thread),
    ]),
    Case("put-writes", (POST, "/checkpoints/put-writes"), lambda p: [
        put_writes(p.thread), *everything(p.thread), put(p.thread, checkpoint_id="c3"), *everything(p.thread),
    ]),
    Case("put-writes with upsert", (POST, "/checkpoints/put-writes"), lambda p: [
        put_writes(p.thread, upsert=True), put(p.thread, checkpoint_id="c3"), *everything(p.thread),
    ]),
    Case("list", (POST, "/checkpoints/list"), lambda p: [
        listed(thread_id=p.thread),
        listed(thread_id=p.thread, checkpoint_ns="child", include=EVERYTHING),
        listed(thread_id=p.thread, before_checkpoint_id="c3"),
        listed(thread_id=p.thread, checkpoint_id="c2"),
        listed(thread_id=p.thread, across_threads=True),
    ], True),
    Case("list across threads", (POST, "/checkpoints/list"), lambda p: [
        listed(across_threads=True, include=EVERYTHING),
        listed(across_threads=True, thread_id=None, checkpoint_id="c2"),
        listed(across_threads=True, limit=1),
    ], True),
    Case("list by metadata", (POST, "/checkpoints/list"), filters, True),
    Case("list from their cursor", (POST, "/checkpoints/list"), lambda p: [
        listed(thread_id=p.thread, after=cursor("c3", p.thread, "")),
        listed(across_threads=True, after=cursor("c3", p.thread, "")),
        listed(thread_id=p.own, after=cursor("c3", p.thread, "")),
        put(p.own, checkpoint_id="c2"),
        listed(across_threads=True, after=cursor("c3", p.thread, "")),
    ], True),
    Case("delete-thread", (POST, "/checkpoints/delete-thread"), lambda p: [
        call("delete-thread", thread_id=p.thread), *everything(p.thread),
    ]),
    Case("copy-thread from it", (POST, "/checkpoints/copy-thread"), lambda p: [
        call("copy-thread", source_thread_id=p.thread, target_thread_id=p.own), *everything(p.own),
    ]),
    Case("copy-thread onto it", (POST, "/checkpoints/copy-thread"), lambda p: [
        put(p.own),
        call("copy-thread", source_thread_id=p.own, target_thread_id=p.thread),
        *everything(p.thread),
    ]),
    Case("copy-thread onto itself", (POST, "/checkpoints/copy-thread"), lambda p: [
        call("copy-thread", source_thread_id=p.thread, target_thread_id=p.thread), *everything(p.thread),
    ]),
    Case("delete-for-runs", (POST, "/checkpoints/delete-for-runs"), lambda p: [
        call("delete-for-runs", run_ids=[p.run]), *everything(p.thread),
    ]),
    Case("prune", (POST, "/checkpoints/prune"), lambda p: [
        call("prune", thread_ids=[p.thread]), *everything(p.thread),
    ]),
    Case("prune, dry run", (POST, "/checkpoints/prune"), lambda p: [
        call("prune", thread_ids=[p.thread], dry_run=True),
        call("prune", thread_ids=[p.thread], dry_run=True, strategy="delete"),
        call("prune", thread_ids=[p.thread, p.own], dry_run=True, keep_last=2),
    ], True),
    Case("prune, all of it", (POST, "/checkpoints/prune"), lambda p: [
        call("prune", thread_ids=[p.thread], strategy="delete"), *everything(p.thread),
    ]),
    Case("delta-channel-history", (POST, "/checkpoints/delta-channel-history"), lambda p: [
        call("delta-channel-history", thread_id=p.thread, channels=["messages", "count", "other"]),
        call("delta-channel-history", thread_id=p.thread, checkpoint_id="c3", channels=["messages"]),
    ], True),
    Case("threads", (GET, "/threads"), lambda p: [
        get("/threads"), get("/threads", limit=1), get("/threads", after=cursor(p.thread)),
        get("/threads", after=cursor("")),
    ], True),
    Case("one thread", (GET, "/threads/{thread_id}"), lambda p: [get(f"/threads/{p.thread}")], True),
    Case("inspector: sizes", (POST, "/inspector/sizes"), lambda p: [
        (POST, "/inspector/sizes", {"thread_id": p.thread}), put(p.thread),
        (POST, "/inspector/sizes", {"thread_id": p.thread}),
    ], True),
    Case("retention", (GET, "/threads/{thread_id}/retention"), lambda p: [get(f"/threads/{p.thread}/retention")], True),
    Case("set retention", (PUT, "/threads/{thread_id}/retention"), lambda p: [
        (PUT, f"/threads/{p.thread}/retention", {"ttl": 1, "hold": True}),
        (PUT, f"/threads/{p.thread}/retention", {"pin": ["c3"]}),
        get(f"/threads/{p.thread}/retention"), call("delete-thread", thread_id=p.thread),
    ], True),
    Case("inspector, history", (POST, "/inspector/history"), lambda p: [
        inspect("history", thread_id=p.thread), inspect("history", thread_id=p.thread, after=cursor("c3", p.thread, "")),
    ], True),
    Case("inspector, checkpoint", (POST, "/inspector/checkpoint"), lambda p: [
        inspect("checkpoint", thread_id=p.thread), inspect("checkpoint", thread_id=p.thread, checkpoint_id="c2"),
    ], True),
    Case("inspector, difference", (POST, "/inspector/difference"), lambda p: [
        inspect("difference", thread_id=p.thread),
        inspect("difference", thread_id=p.thread, checkpoint_id="c3", from_checkpoint_id="c2"),
    ], True),
]
