"""What operators do with threads: copy, prune, delete."""

import pytest

from checkpoints import config_of, ids, save
from langgraph.checkpoint.milepost import PruneReport


def chain(surface, thread_id, length=4, **options):
    """A thread of some checkpoints, each with a write; gives their configs, oldest first."""
    saved, last = [], None
    for step in range(length):
        versions = {"step": f"{step}", "log": f"{step}"}
        last = save(surface, thread_id, {"step": step, "log": [step]}, parent=last, versions=versions, **options)
        surface.put_writes(last, [("log", step)], "task")
        saved.append(last)
    return saved


def test_pruning_says_what_it_would_remove_and_then_removes_it(surface, thread_id):
    saved = chain(surface, thread_id)
    would = surface.prune([thread_id], keep_last=2, dry_run=True)
    assert len(surface.list(config_of(thread_id))) == 4
    did = surface.prune([thread_id], keep_last=2)
    assert isinstance(did, PruneReport)
    assert (would.dry_run, did.dry_run) == (True, False)
    assert (would.checkpoints, would.writes) == (did.checkpoints, did.writes) == (2, 2)
    assert [(one.thread_id, one.checkpoints, one.kept) for one in did.threads] == [(thread_id, 2, 2)]
    assert [found.config for found in surface.list(config_of(thread_id))] == [saved[3], saved[2]]
    assert surface.get_tuple(saved[3]).checkpoint["channel_values"] == {"step": 3, "log": [3]}


def test_pruning_everything(surface, thread_id):
    chain(surface, thread_id)
    report = surface.prune([thread_id], strategy="delete")
    assert report.checkpoints == 4
    assert surface.list(config_of(thread_id)) == []


def test_pruning_nothing(surface, thread_id):
    assert surface.prune([]).threads == ()
    assert surface.prune([thread_id]).checkpoints == 0


@pytest.mark.parametrize(("arguments", "options"), [((["t"],), {"strategy": "other"}), ((["t"],), {"keep_last": 0})])
def test_other_ways_to_prune_are_mistakes(surface, arguments, options):
    with pytest.raises(ValueError, match="is"):
        surface.prune(*arguments, **options)


def test_one_string_is_a_mistake(surface):
    with pytest.raises(TypeError):
        surface.prune("thread")
    with pytest.raises(TypeError):
        surface.delete_for_runs("run")


def test_a_copy_is_complete_and_its_own(surface, thread_id):
    target = f"{thread_id}-copy"
    saved = chain(surface, thread_id) + chain(surface, thread_id, length=2, namespace="child:1")
    surface.copy_thread(thread_id, target)
    source = surface.list({"configurable": {"thread_id": thread_id}})
    copied = surface.list({"configurable": {"thread_id": target}})
    assert ids(copied) == ids(source)
    assert len(copied) == len(saved)
    for original, copy in zip(source, copied, strict=True):
        assert copy.config["configurable"] == {**original.config["configurable"], "thread_id": target}
        assert copy[1:3] == original[1:3]
        assert copy.pending_writes == original.pending_writes
        assert (copy.parent_config is None) == (original.parent_config is None)
    surface.delete_thread(thread_id)
    assert len(surface.list({"configurable": {"thread_id": target}})) == len(saved)


def test_copying_nothing(surface, thread_id):
    surface.copy_thread(thread_id, f"{thread_id}-copy")
    assert surface.list(config_of(f"{thread_id}-copy")) == []


def test_deleting_runs(surface, thread_id):
    other = f"{thread_id}-other"
    kept = save(surface, thread_id, metadata={"run_id": "kept"})
    for thread, namespace in ((thread_id, ""), (thread_id, "child"), (other, "")):
        save(surface, thread, namespace=namespace, metadata={"run_id": thread_id})
    surface.delete_for_runs([])
    assert len(surface.list(None, filter={"run_id": thread_id})) == 3
    surface.delete_for_runs([thread_id, "unknown"])
    assert surface.list(None, filter={"run_id": thread_id}) == []
    assert [found.config for found in surface.list({"configurable": {"thread_id": thread_id}})] == [kept]


def test_a_list_spans_namespaces_unless_one_is_named(surface, thread_id):
    root, child = save(surface, thread_id), save(surface, thread_id, namespace="child")
    assert [one.config for one in surface.list({"configurable": {"thread_id": thread_id}})] == [child, root]
    assert [one.config for one in surface.list(config_of(thread_id))] == [root]
    assert [one.config for one in surface.list(child)] == [child]
    assert surface.list(config_of(thread_id, "unknown")) == []


def test_writes_may_come_before_their_checkpoint(surface, thread_id):
    config = config_of(thread_id, "later")
    surface.put_writes(config, [("a", 1)], "task", "~1")
    assert surface.get_tuple(config) is None
    surface.put(
        config_of(thread_id),
        {"v": 4, "id": "later", "ts": "", "channel_values": {}, "channel_versions": {}, "versions_seen": {}},
        {"source": "loop"},
        {},
    )
    assert surface.get_tuple(config).pending_writes == [("task", "a", 1)]


def test_nothing_pending_is_an_empty_list(surface, thread_id):
    config = save(surface, thread_id)
    assert surface.get_tuple(config).pending_writes == []
    assert surface.list(config_of(thread_id))[0].pending_writes == []


def test_versions_grow_and_are_sorted_as_text(surface):
    first = surface.get_next_version(None, None)
    second = surface.get_next_version(first, None)
    assert first < second
    assert [int(version.split(".")[0]) for version in (first, second)] == [1, 2]
    assert surface.get_next_version(41, None).startswith(f"{42:032}.")
    assert surface.get_next_version(41.5, None).startswith(f"{42:032}.")


def test_values_that_changed_hands_are_the_same(surface, thread_id):
    """A float that another saver left in the document stays, also in checkpoints that do not change it."""
    first = save(surface, thread_id, {"huge": 1e16}, new={})
    second = save(surface, thread_id, {"huge": 1e16}, parent=first, new={})
    assert surface.get_tuple(second).checkpoint["channel_values"] == {"huge": 1e16}
