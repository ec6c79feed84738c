"""What ancestors wrote to a channel: the eight tests of the conformance suite that are not published yet, and more."""

import pytest
from tap import Tap

from checkpoints import config_of, save

try:
    from langgraph.checkpoint.serde.types import _DeltaSnapshot as Snapshot
except ImportError:  # An edition without delta channels: there, any stored value is a seed.

    def Snapshot(value):  # noqa: N802
        return [value]


class Chain:
    """Checkpoints one after the other, each the parent of the next; every one is written to."""

    def __init__(self, saver, thread_id):
        self.saver = saver
        self.thread_id = thread_id
        self.last = None
        self.length = 0

    def add(self, *writes, task="task", **values):
        """One more checkpoint: `values` are stored in it, `writes` beside it as (channel, value)."""
        version = f"{self.length + 1:032}.1"
        versions = dict.fromkeys(values, version)
        self.last = save(self.saver, self.thread_id, values, parent=self.last, versions=versions)
        if writes:
            self.saver.put_writes(self.last, list(writes), task)
        self.length += 1
        return self.last

    def history(self, *channels, config=None):
        """The history of channels at a checkpoint, the last one unless `config` is another's."""
        return self.saver.get_delta_channel_history(config=config or self.last, channels=channels)


@pytest.fixture
def chain(surface, thread_id):
    """An empty chain on each kind of saver."""
    return Chain(surface, thread_id)


def values(entry):
    return [value for _, _, value in entry["writes"]]


def unwrapped(seed):
    return getattr(seed, "value", seed)


def test_writes_come_oldest_first_without_the_target_s_own(chain):
    chain.add(log=Snapshot([]))
    for number in (1, 2, 3, 4):
        chain.add(("log", number))
    assert values(chain.history("log")["log"]) == [1, 2, 3]


def test_the_nearest_snapshot_is_the_seed(chain):
    for step in range(6):
        if step in (0, 3):
            chain.add(log=Snapshot([step]))
        else:
            chain.add(("log", step))
    entry = chain.history("log")["log"]
    assert entry["seed"] == Snapshot([3])
    assert values(entry) == [4]


def test_what_is_pending_at_the_target_is_no_history(chain):
    chain.add(log=Snapshot([]))
    chain.add(("log", "before"))
    chain.add(("log", "pending"))
    assert values(chain.history("log")["log"]) == ["before"]


def test_each_channel_stops_at_its_own_seed(chain):
    chain.add(a=Snapshot([]))
    chain.add(("a", 1), ("b", 1))
    chain.add(("a", 2), b=Snapshot(["b"]))
    chain.add(("a", 3), ("b", 3))
    chain.add()
    history = chain.history("a", "b")
    assert {name: values(entry) for name, entry in history.items()} == {"a": [1, 2, 3], "b": [3]}
    assert history["b"]["seed"] == Snapshot(["b"])


def test_no_channels_no_request(chain, open_surface, sqlite_server):
    chain.add(("log", 1))
    assert chain.history() == {}
    with Tap(sqlite_server.port) as tap:
        surface = open_surface(tap.base_url)
        assert surface.get_delta_channel_history(config=config_of("any"), channels=[]) == {}
        assert tap.paths == []


def test_a_walk_to_the_root_has_no_seed(chain):
    for number in (1, 2, 3):
        chain.add(("log", number))
    entry = chain.history("log")["log"]
    assert values(entry) == [1, 2]
    assert "seed" not in entry


@pytest.mark.parametrize("stored", [["old", "list"], "text", 7, True, {"a": 1}], ids=repr)
def test_a_plain_value_of_before_is_a_seed_too(chain, stored):
    chain.add(("log", "never"))
    chain.add(log=stored)
    chain.add(("log", "new"))
    chain.add()
    entry = chain.history("log")["log"]
    assert entry["seed"] == stored
    assert values(entry) == ["new"]


def test_writes_at_the_seed_are_replayed_and_older_ones_are_not(chain):
    chain.add(("log", "older"))
    chain.add(("log", "at the seed"), log=Snapshot([]))
    chain.add(("log", "newer"))
    chain.add()
    assert values(chain.history("log")["log"]) == ["at the seed", "newer"]


def test_only_the_path_to_the_target_counts(chain):
    chain.add(log=Snapshot([]))
    fork = chain.add(("log", "shared"))
    chain.add(("log", "one side"))
    chain.add()
    one_side = chain.last
    chain.last = fork
    chain.add(("log", "other side"))
    chain.add()
    assert values(chain.history("log")["log"]) == ["shared", "other side"]
    assert values(chain.history("log", config=one_side)["log"]) == ["shared", "one side"]


def test_parallel_tasks_come_in_the_order_of_their_paths(chain):
    chain.add(log=Snapshot([]))
    step = chain.add()
    for task, path in (("a", "~2"), ("b", "~1"), ("c", "")):
        chain.saver.put_writes(step, [("log", f"{task}0"), ("other", 0), ("log", f"{task}2")], task, path)
    chain.add()
    assert values(chain.history("log")["log"]) == ["c0", "c2", "b0", "b2", "a0", "a2"]


def test_the_latest_is_the_target_when_none_is_named(chain, thread_id):
    chain.add(log=Snapshot([]))
    chain.add(("log", 1))
    chain.add()
    assert values(chain.history("log", config={"configurable": {"thread_id": thread_id}})["log"]) == [1]


def test_an_unknown_target_has_no_history(chain, thread_id):
    assert chain.history("log", config=config_of(thread_id, "none")) == {"log": {"writes": []}}


def test_a_long_chain_is_one_request(open_surface, sqlite_server, thread_id):
    with Tap(sqlite_server.port) as tap:
        chain = Chain(open_surface(tap.base_url), thread_id)
        chain.add(log=Snapshot([]))
        for number in range(150):
            chain.add(("log", number))
        chain.add()
        before = len(tap.requests)
        assert values(chain.history("log")["log"]) == list(range(150))
        assert tap.paths[before:] == ["/checkpoints/delta-channel-history"]
