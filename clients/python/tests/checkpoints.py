"""Checkpoints by hand, for tests that need no graph."""

import itertools

COUNTER = itertools.count(1)


def new_id():
    """An id greater than all before it."""
    return f"1f0{next(COUNTER):05d}-0000-6000-8000-000000000000"


def config_of(thread_id, checkpoint_id=None, namespace=""):
    """The config that names a checkpoint, or the latest."""
    configurable = {"thread_id": thread_id, "checkpoint_ns": namespace}
    return {"configurable": {**configurable, **({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}}


def checkpoint(values=None, versions=None, v=4, checkpoint_id=None):
    """A checkpoint with these channel values, each at version 1 unless `versions` says otherwise."""
    values = values or {}
    return {
        "v": v,
        "id": checkpoint_id or new_id(),
        "ts": "2026-01-02T03:04:05+00:00",
        "channel_values": values,
        "channel_versions": dict.fromkeys(values, "1") if versions is None else versions,
        "versions_seen": {},
        "updated_channels": None,
    }


def save(saver, thread_id, values=None, parent=None, namespace="", metadata=None, v=4, versions=None, new=None):
    """Puts a checkpoint and gives its config; `parent` is the config of the one before."""
    config = parent or config_of(thread_id, namespace=namespace)
    document = checkpoint(values, versions, v)
    new_versions = document["channel_versions"] if new is None else new
    return saver.put(config, document, metadata or {"source": "loop", "step": 0}, new_versions)


def ids(tuples):
    """The checkpoint ids of tuples."""
    return [found.config["configurable"]["checkpoint_id"] for found in tuples]


def id_of(config):
    """The checkpoint id that a config names."""
    return config["configurable"]["checkpoint_id"]
