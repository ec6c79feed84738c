"""docs/operations.md: every command in it is run, in the order of the page, against a real server, a real disk and a real
PostgreSQL; its paths, its port and its database stand for ones of the test's own."""

import re
import shlex
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

import postgres
from security import checkpoint
from server import REPOSITORY, answers_ok, binary_path, clean_environment, free_port, wait_until

PAGE = REPOSITORY / "docs/operations.md"
VERSION = re.search(r'"([0-9.]+)"', (REPOSITORY / "Sources/CheckpointAPI/Version.swift").read_text(encoding="utf-8"))[1]
# What the page calls the archive of a release.
ARCHIVE = f"milepost-{VERSION}-linux-x86_64.tar.gz"
COMMAND_LIMIT = 120
# systemd is no part of this machine: the one thing on the page that is stood in for.
SYSTEMCTL = """#!/usr/bin/env bash
set -euo pipefail
[[ $2 == milepost ]] || { echo "systemctl: no unit $2" >&2; exit 5; }
stop() {
    [[ -e $PIDFILE ]] || return 0
    kill -TERM "$(cat "$PIDFILE")"
    while kill -0 "$(cat "$PIDFILE")" 2>/dev/null; do sleep 0.05; done
    rm "$PIDFILE"
}
start() {
    [[ ! -e $PIDFILE ]] || return 0
    setsid milepost serve --config "$CONFIG" --port "$PORT" </dev/null >>"$LOG" 2>&1 &
    echo $! >"$PIDFILE"
    until curl --silent --fail "http://127.0.0.1:$PORT/readyz" >/dev/null; do
        kill -0 "$(cat "$PIDFILE")" || { tail -n 3 "$LOG" >&2; exit 1; }
        sleep 0.05
    done
}
case $1 in
    start) start ;;
    stop) stop ;;
    *) echo "systemctl: $1 is not known" >&2; exit 1 ;;
esac
"""


@dataclass(frozen=True)
class Command:
    """A command of the page, and the heading it stands under."""

    section: str
    text: str


def commands():
    """All commands of the page: the lines of its blocks that begin with `$ `."""
    found, section, is_block = [], "", False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            is_block = not is_block
        elif line.startswith("#") and not is_block:
            section = line.lstrip("# ")
        elif is_block and line.startswith("$ "):
            found.append(Command(section, line.removeprefix("$ ")))
    return found


COMMANDS = commands()


@dataclass
class World:
    """A machine's paths under one directory, with a server that `systemctl` starts and stops."""

    root: Path
    port: int = field(default_factory=free_port)

    @property
    def pid_file(self):
        return self.root / "milepost.pid"

    def path(self, name):
        return self.root / name.lstrip("/")

    def set_up(self):
        for name in ("/etc/milepost", "/var/lib/milepost", "/var/backups/milepost", "/usr/local/bin", "/bin", "/downloads"):
            self.path(name).mkdir(parents=True)
        self.path("/var/lib/milepost").chmod(0o700)
        self.path("/etc/milepost/milepost.json").write_text(
            self.replaced('{"store": "sqlite:/var/lib/milepost/milepost.db", "api-keys-file": "/etc/milepost/keys.json"}'),
            encoding="utf-8",
        )
        systemctl = self.path("/bin/systemctl")
        systemctl.write_text(SYSTEMCTL, encoding="utf-8")
        systemctl.chmod(0o755)
        self.pack()

    def pack(self):
        """A release as the page has it; test_ship.py makes and looks at a real one."""
        downloads = self.path("/downloads")
        with tarfile.open(downloads / ARCHIVE, "w:gz", compresslevel=1) as archive:
            archive.add(binary_path(), f"milepost-{VERSION}/bin/milepost")
        subprocess.run(f"sha256sum {ARCHIVE} > SHA256SUMS", shell=True, cwd=downloads, check=True)

    def replaced(self, text):
        """`text` with this world's places for the page's."""
        for name in ("/var/lib/milepost", "/var/backups/milepost", "/etc/milepost", "/usr/local"):
            text = text.replace(name, str(self.path(name)))
        text = text.replace("127.0.0.1:5003", f"127.0.0.1:{self.port}")
        return text.replace("postgresql://milepost@db.internal/agents", self.database) if "db.internal" in text else text

    @property
    def database(self):
        self._database = getattr(self, "_database", None) or postgres.new_database()
        return self._database

    def run(self, text):
        """Runs a command as a shell of an operator does."""
        environment = clean_environment(
            PATH=f"{self.path('/bin')}:{self.path('/usr/local/bin')}:/usr/bin:/bin",
            PIDFILE=str(self.pid_file),
            CONFIG=str(self.path("/etc/milepost/milepost.json")),
            PORT=str(self.port),
            LOG=str(self.root / "milepost.log"),
        )
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", self.replaced(text)],
            cwd=self.path("/downloads"),
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT,
            check=False,
        )

    def begin_section(self):
        """What each section may take for granted: the server runs, and what an earlier restore kept is gone."""
        if not self.path("/etc/milepost/keys.json").exists():
            return
        done = self.run("systemctl start milepost")
        assert done.returncode == 0, done.stderr
        assert wait_until(lambda: answers_ok(f"http://127.0.0.1:{self.port}/readyz"), 10, "the server is ready")
        self.path("/var/lib/milepost/milepost.db.before-restore").unlink(missing_ok=True)
        self.fill()

    def fill(self):
        """Two threads, if they are not there: one of them is `the-thread`."""
        key = self.path("/etc/milepost/agents.key").read_text(encoding="utf-8").strip()
        for thread in ("the-thread", "another"):
            body = checkpoint(thread, "c1")
            answer = httpx.post(
                f"http://127.0.0.1:{self.port}/checkpoints/put", json=body, headers={"authorization": f"Bearer {key}"}
            )
            assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def transcript(tmp_path_factory):
    """What each command did, all of them run once in the page's order."""
    world = World(tmp_path_factory.mktemp("operations"))
    world.set_up()
    done, section = {}, None
    try:
        for command in COMMANDS:
            if command.section != section:
                world.begin_section()
                section = command.section
            done[command] = world.run(command.text)
    finally:
        world.run("systemctl stop milepost")
    return done


def test_the_page_is_read():
    """So that a page in another form does not pass for want of commands."""
    assert len(COMMANDS) > 30
    assert {shlex.split(command.text)[1] for command in COMMANDS if command.text.startswith("milepost ")} >= {
        "doctor", "health", "backup", "restore", "prune", "verify", "export", "import", "keys", "threads"
    }


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=[f"{c.section}: {c.text[:60]}" for c in COMMANDS])
def test_a_command_of_the_page(transcript, number):
    """It ends with 0. One that stands on the page twice counts as its last run."""
    command = COMMANDS[number]
    done = transcript[command]
    assert done.returncode == 0, f"{command.text}\n{done.stdout}{done.stderr}"


def anchors(path):
    """The headings of a page, as links name them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    headings = [line.lstrip("# ") for line in lines if re.match(r"#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    """Every link from one of the repository's pages, or alerts, to a file or a heading: (file, target)."""
    found = []
    for page in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("deploy/**/*.md")]:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        found += [(page, target) for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    for alerts in REPOSITORY.glob("deploy/prometheus/*.y*ml"):
        for target in re.findall(r"docs/operations\.md(#[\w-]+)", alerts.read_text(encoding="utf-8")):
            found.append((PAGE, target))
    return found


def test_links_lead_somewhere():
    broken = []
    for page, target in links():
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(f"{page.relative_to(REPOSITORY)}: {target}")
    assert broken == []


def test_alerts_lead_to_an_incident():
    assert any(page == PAGE and target.startswith("#") for page, target in links())
