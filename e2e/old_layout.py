"""A store of an earlier layout, or of this one, as the last program of it left it: made from its dump, multiplied
(layout 2), looked at after a crash.

Nothing here knows the layout that comes after it.
"""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import recorded
from server import REPOSITORY

LAYOUTS = (1, 2, 3, 4, 5)
CASES = recorded.load_cases(REPOSITORY / "e2e/golden/layout-2-answers.jsonl")
MIGRATIONS = (("1 threads, checkpoints, blobs, writes",), ("2 blob chains",))
# Tables whose rows say nothing about what clients stored.
BOOKKEEPING = ("grdb_migrations", "probes")

MULTIPLY = """
    CREATE TEMP TABLE copies AS
        WITH RECURSIVE numbers (k) AS (SELECT :first UNION ALL SELECT k + 1 FROM numbers WHERE k < :last)
        SELECT k, '-copy-' || k AS suffix FROM numbers;
    INSERT INTO threads SELECT tenant, thread_id || suffix, thread + k * :threads
        FROM copies, main.threads WHERE thread <= :threads;
    INSERT INTO checkpoints
        SELECT NULL, thread + k * :threads, checkpoint_ns, checkpoint_id, parent_checkpoint_id, metadata, document
        FROM copies, main.checkpoints WHERE thread <= :threads;
    INSERT INTO blobs
        SELECT blob + k * :blobs, thread + k * :threads, checkpoint_ns, channel, version, type, encoding, payload,
            position, base + k * :blobs
        FROM copies, main.blobs WHERE thread <= :threads;
    INSERT INTO writes
        SELECT checkpoint_id, thread_id || suffix, tenant, checkpoint_ns, task_id, idx, channel, type, task_path,
            encoding, payload
        FROM copies, main.writes WHERE thread_id NOT LIKE '%-copy-%';
    INSERT INTO awaited_checkpoints
        SELECT checkpoint_id, thread_id || suffix, tenant, checkpoint_ns
        FROM copies, main.awaited_checkpoints WHERE thread_id NOT LIKE '%-copy-%';
    DROP TABLE temp.copies;
"""


def make(path, layout=2):
    """Writes the store to a file, with the journal mode that a closed store has."""
    dump = REPOSITORY / f"e2e/golden/layout-{layout}.sql"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(dump.read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")


def copy_of(thread_id, number):
    """What `multiply` calls a copy of a thread."""
    return f"{thread_id}-copy-{number}"


def multiply(path, first, last):
    """Adds the same rows under new threads, once for each number from `first` to `last`."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        ours = "FROM main.threads WHERE thread_id NOT LIKE '%-copy-%'"
        (threads,) = db.execute(f"SELECT max(thread) {ours}").fetchone()
        (blobs,) = db.execute("SELECT max(blob) FROM blobs WHERE thread <= ?", (threads,)).fetchone()
        numbers = {"first": first, "last": last, "threads": threads, "blobs": blobs}
        for statement in MULTIPLY.split(";")[:-1]:
            used = {name: value for name, value in numbers.items() if f":{name}" in statement}
            db.execute(statement, used)
        db.commit()


@dataclass(frozen=True)
class Contents:
    """What a file holds: its migrations, its tables and indexes, and how many rows each table has."""

    migrations: tuple
    schema: tuple
    rows: dict
    damage: tuple


def contents(path, scratch):
    """Looks at a file that nobody has open, by a copy: opening it would already repair it after a crash."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    copied = scratch / path.name
    for name in (path.name, f"{path.name}-wal"):
        if path.with_name(name).exists():
            shutil.copy(path.with_name(name), scratch / name)
    with closing(sqlite3.connect(copied)) as db:
        tables = [
            name
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        ]
        return Contents(
            migrations=tuple(db.execute("SELECT identifier FROM grdb_migrations ORDER BY 1")),
            schema=tuple(db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")),
            rows={
                name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                for name in tables
                if name not in BOOKKEEPING
            },
            damage=tuple(row for row in db.execute("PRAGMA integrity_check") if row != ("ok",)),
        )
