"""Commands that die at every point of their way: there is what was or what is to be, and run again they end well.

Migrations of both stores, import, export, prune, rekey, backup and restore (`failpoint_commands.py`); the short form
and the long one are those of `test_failpoints.py`.
"""

import functools
import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

import failpoints
from conftest import store_url
from failpoint_commands import (
    Backup,
    Export,
    Import,
    LayoutMigration,
    Prune,
    Rekey,
    Restore,
    Scene,
    Stores,
    TableMigration,
)
from failpoints import COMMITS, run

pytestmark = pytest.mark.breaking

AT_ONCE = 3
# What a run may not pass at all, as it was quicker than another; of the rest it may pass fewer, as changes are grouped.
TIMED = ("moving the log", "incremental_vacuum")
MISSED = "missed"


def learn(command, scene):
    """The points that a command passes, and what there is before and after it."""
    command.prepare(scene)
    command.before = command.look(scene)
    scene.points.watch()
    ended = run(*command.arguments(scene), points=scene.points)
    assert ended.returncode == 0, ended.stderr
    passed = scene.points.passed()
    command.after = command.look(scene)
    command.end(scene)
    return passed


def crash(command, scene, passed, name, time):
    """Dies there, checks, and runs the command again; gives what was found, or MISSED."""
    where = f"{command.name}, {name}@{time}"
    before, after = COMMITS["sqlite" if scene.store.startswith("sqlite:") else "postgres"]
    command.prepare(scene)
    scene.points.watch()
    scene.points.die_at(name, time)
    ended = run(*command.arguments(scene), points=scene.points)
    now = scene.points.passed().count(name)
    if ended.returncode == 0 and (0 < now < time or any(words in name for words in TIMED)):
        assert command.look(scene) == command.after
        command.end(scene)
        return MISSED
    assert ended.returncode == -signal.SIGKILL, f"{where}: the point was not passed; {ended.returncode} {ended.stderr}"
    failpoints.wait_for_the_dead(scene.store)
    found = command.look(scene)
    try:
        died = scene.points.passed()
        # Dead before it, it has not asked for that one.
        command.check(found, died.count(before) - (name == before), died.count(after), passed.count(after))
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
    if not command.is_over(found):
        command.wait(scene)
        ended = run(*command.arguments(scene))
        assert ended.returncode == 0, f"{where}: cannot be run again: {ended.stderr}"
    assert command.look(scene) == command.after, f"{where}: run again, it came to something else"
    command.end(scene)
    return found


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The stores that commands are about, of a kind, made when they are asked for."""

    @functools.cache
    def get(kind):
        return Stores(kind, tmp_path_factory.mktemp(kind))

    return get


COMMANDS = [
    ("sqlite", Prune),
    ("sqlite", Import),
    ("sqlite", Export),
    ("sqlite", Rekey),
    ("sqlite", Backup),
    ("sqlite", Restore),
    ("sqlite", lambda stores: LayoutMigration(stores, 2)),
    ("postgres", Prune),
    ("postgres", Import),
    ("postgres", Export),
    ("postgres", Rekey),
    ("postgres", lambda stores: TableMigration(stores, -1)),
    ("postgres", lambda stores: TableMigration(stores, 3)),
]
if failpoints.EVERY_PASS:
    # Nothing is passed there that is not passed in the others.
    COMMANDS += [
        ("sqlite", lambda stores: LayoutMigration(stores, 3)),
        ("postgres", lambda stores: TableMigration(stores, 8)),
    ]


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_a_command_is_run_again_and_ends_well(tmp_path, stores, number, seed):
    """Wherever it died."""
    kind, make = COMMANDS[number]
    command = make(stores(kind))
    scenes = []
    for place in range(AT_ONCE):
        directory = tmp_path / str(place)
        directory.mkdir()
        scenes.append(Scene(directory, store_url(kind, directory)))
    passed = learn(command, scenes[0])
    start = len(os.path.commonprefix([passed, command.stores.opening])) if command.opens_store else 0
    places = failpoints.chosen(passed, random.Random(f"{seed}-{kind}-{command.name}"), start)

    def share(place):
        return [crash(command, scenes[place], passed, *where) for where in places[place::AT_ONCE]]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = sum(pool.map(share, range(AT_ONCE)), [])
    crashes = len(found) - found.count(MISSED)
    assert crashes > len(found) // 2
    print(
        f"{kind} {command.name}: {len(set(passed))} points, {len(passed)} passes, {crashes} crashes "
        f"({found.count(command.before)} as before, {found.count(command.after)} as after), losses 0"
    )
