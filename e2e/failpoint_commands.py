"""Commands that change or copy stores, each with what it is about and what may be found after it has died."""

import re
import shutil
import subprocess
import uuid
from pathlib import Path

from langgraph.checkpoint.postgres import PostgresSaver

import failpoints
import old_layout
import postgres
from conftest import store_url
from exports import lines_of, threads_of
from failpoints import Lineage, Points, put, put_writes, run
from test_postgres_migrate import OLD_ROWS
from test_startup import FAILED

THREADS, STEPS = 3, 3


class Scene:
    """A directory with the store and the files of one run of a command."""

    def __init__(self, directory, store):
        self.directory = directory
        self.store = store
        self.points = Points(directory)

    def __truediv__(self, name):
        return self.directory / name

    def renew(self, template=None):
        """Has no store any more, or a copy of the one that is given."""
        if not self.store.startswith("sqlite:"):
            name = postgres.database_of(self.store)
            source = f'TEMPLATE "{postgres.database_of(template)}"' if template else ""
            server = postgres.changed(self.store, database="postgres")
            postgres.execute(server, f'DROP DATABASE "{name}"', f'CREATE DATABASE "{name}" {source}')
            return
        for leftover in self.directory.glob("milepost.db*"):
            leftover.unlink()
        if template:
            shutil.copy(path_of(template), path_of(self.store))


def lines(store, scene, *options):
    """What an export has of a store, thread by thread."""
    target = scene / "looked-at.zst"
    target.unlink(missing_ok=True)
    ended = run("export", "--store", store, "--output", target, *options)
    assert ended.returncode == 0, ended.stderr
    return threads_of(target)


def rows_of(exported_lines):
    """A thread's rows without the parents, which change when a parent goes, and without what is said of all rows."""
    rows = [line for line in exported_lines if line.startswith('{"row"')]
    return {re.sub(r'"parent_checkpoint_id":("[^"]*"|null),', "", line) for line in rows}


class Stores:
    """Stores that are made once, and copied for each run."""

    def __init__(self, kind, directory):
        self.kind = kind
        self._directory = directory
        self.old = self._make("old", THREADS - 1)
        self.full = self._make("full", THREADS)
        self.export = self._export(self.full)
        self.empty = self._make("empty", 0)
        self.nothing = self._export(self.empty)
        self.opening = self._watch_opening()

    def _watch_opening(self):
        """The points that are passed by whatever opens the full store to change it."""
        directory = self._directory / "opening"
        directory.mkdir()
        scene = Scene(directory, store_url(self.kind, directory))
        scene.renew(self.full)
        scene.points.watch()
        ended = run("import", "--store", scene.store, "--input", self.nothing, points=scene.points)
        assert ended.returncode == 0, ended.stderr
        return scene.points.passed()

    def _export(self, store):
        file = self._directory / f"{uuid.uuid4().hex}.zst"
        ended = run("export", "--store", store, "--output", file)
        assert ended.returncode == 0, ended.stderr
        return file

    def _make(self, name, threads):
        directory = self._directory / name
        directory.mkdir()
        store = store_url(self.kind, directory)
        lineage = Lineage(self.kind, store, directory)
        with lineage.client() as client:
            for number in range(threads):
                for step in range(STEPS):
                    assert put(client, f"thread-{number}", step) == 200
                assert put_writes(client, f"thread-{number}", [0, 1]) == 204
        if self.kind == "sqlite":
            # As a crash leaves it: with what is still in the log.
            lineage.server.kill()
            shutil.copytree(directory, f"{directory}-crashed")
            lineage.server.start()
        lineage.server.stop()
        return store


def path_of(store):
    return Path(store.removeprefix("sqlite:"))


class Command:
    """What it is about, how it is called, and what may be found after it has died."""

    # Whether it begins with opening the full store: what is passed then is died at in other commands.
    opens_store = False

    def __init__(self, stores):
        self.stores = stores
        self.before = self.after = None

    def prepare(self, scene):
        scene.renew(self.stores.full)

    def look(self, scene):
        return lines(scene.store, scene)

    def check(self, found, sent, commits, all_commits):
        """Each thread is as it was or as it is to be; all is, where nothing or everything was committed.

        `sent`: commits that were asked for; of these `commits` had been answered when it died, maybe on another thread.
        """
        assert found.keys() <= self.before.keys() | self.after.keys()
        for thread in self.before.keys() | self.after.keys():
            assert found.get(thread) in (self.before.get(thread), self.after.get(thread)), f"{thread} is half done"
        assert sent > 0 or found == self.before, "there is something that was not committed"
        assert commits < all_commits or found == self.after, "something that was committed is lost"

    def wait(self, scene):
        """Until the command may be run again."""

    def is_over(self, found):
        """Whether there is nothing left to be done, and it may not be called again."""
        return False

    def end(self, scene):
        ended = run("verify", "--store", scene.store)
        assert ended.returncode == 0, ended.stdout + ended.stderr


class Prune(Command):
    """A thread goes in portions: what is to stay is there at any moment, and nothing that was never there."""

    name = "prune"
    opens_store = True

    def arguments(self, scene):
        return ["prune", "--store", scene.store, "--apply", "--keep-last", "1"]

    def check(self, found, sent, commits, all_commits):
        for thread in self.before:
            before, after, rows = (rows_of(state[thread]) for state in (self.before, self.after, found))
            assert before & after <= rows <= before | after, f"{thread} lost what is to stay"
        assert sent > 0 or found == self.before, "something went that was not committed"

    def wait(self, scene):
        """The dead one's turn to sweep goes on for some seconds: here it is over."""
        if self.stores.kind == "postgres":
            postgres.execute(scene.store, "UPDATE milepost_leases SET expires_at = now() - interval '1 second'")


class Import(Command):
    """Into a store that is not there yet, whose tables are made on the way; PostgreSQL's are there."""

    name = "import"

    def prepare(self, scene):
        scene.renew(None if self.stores.kind == "sqlite" else self.stores.empty)

    def arguments(self, scene):
        return ["import", "--store", scene.store, "--input", self.stores.export]

    def check(self, found, sent, commits, all_commits):
        """How many threads are committed together is for the moment."""
        for thread, rows in found.items():
            assert rows == self.after[thread], f"{thread} is half done"

    def look(self, scene):
        """Nothing where there is no store yet, or not all of its tables."""
        target = scene / "looked-at.zst"
        target.unlink(missing_ok=True)
        ended = run("export", "--store", scene.store, "--output", target)
        assert ended.returncode in (0, FAILED), ended.stdout
        return threads_of(target) if ended.returncode == 0 else {}


class Rekey(Command):
    """Nothing is lost, and each value can be read with the key or without one."""

    name = "rekey"
    opens_store = True

    def prepare(self, scene):
        super().prepare(scene)
        keys = scene / "keys.json"
        if not keys.exists():
            keys.touch(0o600)
            keys.write_text(run("rekey", "--new-key", "a").stdout)

    def arguments(self, scene):
        return ["rekey", "--store", scene.store, *self._keys(scene)]

    def look(self, scene):
        return lines(scene.store, scene, *self._keys(scene))

    def end(self, scene):
        ended = run("verify", "--store", scene.store, *self._keys(scene))
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def _keys(self, scene):
        return ["--encryption-keys-file", scene / "keys.json"]


class Export(Command):
    """Goes on when it is called again; a file that has its end is finished."""

    name = "export"

    def prepare(self, scene):
        super().prepare(scene)
        (scene / "out.zst").unlink(missing_ok=True)

    def arguments(self, scene):
        return ["export", "--store", scene.store, "--output", scene / "out.zst"]

    def look(self, scene):
        file = scene / "out.zst"
        ended = subprocess.run(["zstd", "--test", "--quiet", file], capture_output=True) if file.exists() else None
        # Not finished is as good as not begun.
        return threads_of(file) if ended and ended.returncode == 0 and '"complete"' in last_line(file) else {}

    def check(self, found, sent, commits, all_commits):
        assert found in (self.before, self.after)

    def is_over(self, found):
        return found == self.after


def last_line(file):
    return next(reversed(lines_of(file)), "")


class Backup(Command):
    """In the place of an older one: the old copy or the new one, and never a checksum of another file."""

    name = "backup"

    def prepare(self, scene):
        super().prepare(scene)
        for leftover in scene.directory.glob("copy.db*"):
            leftover.unlink()
        ended = run("backup", "--store", self.stores.old, scene / "copy.db")
        assert ended.returncode == 0, ended.stderr

    def arguments(self, scene):
        return ["backup", "--store", scene.store, scene / "copy.db", "--replace"]

    def look(self, scene):
        if (scene / "copy.db.sha256").exists():
            command = ["sha256sum", "--check", "--quiet", "copy.db.sha256"]
            assert subprocess.run(command, cwd=scene.directory).returncode == 0, "the checksum is of another file"
        return lines(f"sqlite:{scene / 'copy.db'}", scene)

    def check(self, found, sent, commits, all_commits):
        assert found in (self.before, self.after)

    def end(self, scene):
        super().end(scene)
        assert (scene / "copy.db.sha256").exists() and not list(scene.directory.glob("*.partial*"))
        ended = run("verify", "--store", f"sqlite:{scene / 'copy.db'}")
        assert ended.returncode == 0, ended.stdout + ended.stderr


class Restore(Command):
    """In the place of a store that a crash has left, with its log: the old one or the new one, whole."""

    name = "restore"

    def prepare(self, scene):
        scene.renew()
        crashed = f"{path_of(self.stores.full).parent}-crashed"
        for file in Path(crashed).glob("milepost.db*"):
            shutil.copy(file, scene.directory)
        if not (scene / "copy.db").exists():
            assert run("backup", "--store", self.stores.old, scene / "copy.db").returncode == 0

    def arguments(self, scene):
        return ["restore", "--store", scene.store, "--replace", scene / "copy.db"]

    def check(self, found, sent, commits, all_commits):
        assert found in (self.before, self.after)

    def is_over(self, found):
        return found == self.after

    def end(self, scene):
        super().end(scene)
        kept = scene / "milepost.db.before-restore"
        if kept.exists():
            assert lines(f"sqlite:{kept}", scene) == self.before


class LayoutMigration(Command):
    """A store of an earlier layout, opened by an import of nothing: each layout is done or not begun."""

    name = "layout"

    def __init__(self, stores, layout):
        super().__init__(stores)
        self.layout = layout
        self.name = f"layout-{layout}"

    def prepare(self, scene):
        scene.renew()
        old_layout.make(path_of(scene.store), self.layout)

    def arguments(self, scene):
        return ["import", "--store", scene.store, "--input", self.stores.nothing]

    def look(self, scene):
        return old_layout.contents(path_of(scene.store), scene / "scratch"), failpoints.rows(scene.store)

    def check(self, found, sent, commits, all_commits):
        contents, rows = found
        assert not contents.damage
        if contents.migrations == self.before[0].migrations:
            assert found == self.before
            return
        done = self.after[0].migrations
        counts = range(len(self.before[0].migrations) + 1, len(done) + 1)
        assert contents.migrations in [done[:count] for count in counts]
        assert contents.rows == {table: self.after[0].rows.get(table) for table in contents.rows}


class TableMigration(Command):
    """Tables as LangGraph made them years ago, or none: whatever is done of it, no row is another."""

    def __init__(self, stores, version):
        super().__init__(stores)
        self.version = version
        self.name = f"tables-{version}"
        self.made = postgres.new_database()
        for number, statement in enumerate(PostgresSaver.MIGRATIONS[: version + 1]):
            postgres.execute(self.made, statement, f"INSERT INTO checkpoint_migrations (v) VALUES ({number})")
        if version >= 0:
            postgres.execute(self.made, *OLD_ROWS)

    def prepare(self, scene):
        scene.renew(self.made)

    def arguments(self, scene):
        return ["migrate", "--store", scene.store]

    def look(self, scene):
        if self.version < 0:
            return []
        columns = ["checkpoint_id, checkpoint, metadata", "channel, version, blob", "task_id, idx, blob"]
        return [
            postgres.query(scene.store, f"SELECT thread_id, {names} FROM {table}")
            for table, names in zip(postgres.TABLES, columns, strict=True)
        ]

    def check(self, found, sent, commits, all_commits):
        assert found == self.before

    def end(self, scene):
        super().end(scene)
        found = postgres.schema(scene.store)
        self.schema = getattr(self, "schema", found)
        assert found == self.schema
        printed = run("migrate", "--store", scene.store, "--print-sql").stdout
        assert "nothing to do" in printed, printed
