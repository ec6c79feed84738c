"""The container, without an engine: what the Dockerfile promises, and the program at work in the file system that it
makes: read-only, without a shell, as a user without rights."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from container import Container, Dockerfile, assemble
from server import REPOSITORY, answers_ok, free_port, wait_until

# 65532 is nobody here; the volume belongs to it, as the Dockerfile's own directory does.
USER = 65532
START_LIMIT = 30.0
STOP_LIMIT = 15.0


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    # Others have to pass through it on their way in: pytest's own directories are closed to them.
    directory = tmp_path_factory.mktemp("image")
    yield assemble(directory)
    shutil.rmtree(directory)


@pytest.fixture
def container(image, tmp_path):
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o700)
    os.chown(volume, USER, USER)
    return Container(image, volume, free_port())


@pytest.fixture
def serve(container):
    """Starts the server in the container and waits for it; what still runs at the end is killed."""
    started = []

    def start():
        process = container.start(*container.dockerfile.entry_point, "serve")
        started.append(process)

        def is_ready():
            assert process.poll() is None, process.stderr.read()
            return answers_ok(f"http://127.0.0.1:{container.port}/readyz")

        wait_until(is_ready, START_LIMIT, "the server in the container is ready")
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(STOP_LIMIT)


def end(process):
    """SIGTERM, as STOPSIGNAL says; gives what the server had to say."""
    process.send_signal(signal.SIGTERM)
    _, notes = process.communicate(timeout=STOP_LIMIT)
    assert process.returncode == 0, notes
    return notes


def caller(container, key):
    return httpx.Client(
        base_url=f"http://127.0.0.1:{container.port}", headers={"authorization": f"Bearer {key}"}, trust_env=False
    )


# MARK: the Dockerfile


def problems(dockerfile):
    """What is wrong with a Dockerfile, beyond what hadolint looks for."""
    bases = Dockerfile.values("FROM", dockerfile.all)
    if unpinned := [base for base in bases if not re.match(r"scratch$|\S+:\d\S*( AS \w+)?$", base)]:
        yield f"no version: {unpinned}"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", dockerfile.user):
        yield f"USER {dockerfile.user}: Kubernetes' runAsNonRoot needs a number that is not 0"
    for name in ("ENTRYPOINT", "CMD"):
        if not dockerfile.last(name).startswith("["):
            yield f"{name} needs a shell"
    if "CMD [" not in dockerfile.last("HEALTHCHECK"):
        yield "HEALTHCHECK needs a shell"
    if any(name in ("RUN", "ADD") for name, _ in dockerfile.last_stage):
        yield "something runs in the last stage, or comes from elsewhere"


def test_the_dockerfile_keeps_its_promises():
    dockerfile = Dockerfile()
    assert list(problems(dockerfile)) == []
    assert dockerfile.user == f"{USER}:{USER}"
    assert dockerfile.last("VOLUME") == dockerfile.last("WORKDIR") == "/var/lib/milepost"
    assert dockerfile.labels["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("FROM scratch", "FROM debian"), "no version"),
        (("USER 65532:65532", "USER milepost"), "runAsNonRoot"),
        (('ENTRYPOINT ["/usr/bin/milepost"]', "ENTRYPOINT /usr/bin/milepost"), "needs a shell"),
        (('CMD ["/usr/bin/milepost", "health"', 'CMD /usr/bin/milepost health #"'), "HEALTHCHECK"),
        (("FROM scratch", "FROM scratch\nRUN true"), "runs in the last stage"),
    ],
)
def test_a_broken_promise_is_noticed(change, problem):
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    assert change[0] in text
    assert any(problem in found for found in problems(Dockerfile(text.replace(*change))))


def test_hadolint_has_nothing_to_say():
    hadolint = Path(sys.executable).parent / "hadolint"
    ended = subprocess.run([hadolint, REPOSITORY / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "")


# MARK: its file system


def test_nothing_in_it_can_be_run_but_the_program(image):
    programs = [path for path in image.rglob("*") if path.is_file() and os.access(path, os.X_OK)]
    assert {path.name for path in programs if not re.search(r"\.so(\.|$)", path.name)} == {"milepost"}
    assert not [path for path in image.rglob("*") if stat.S_IMODE(path.lstat().st_mode) & (stat.S_ISUID | stat.S_ISGID)]
    assert not list(image.rglob("libswift*")) and not list(image.rglob("*Foundation*"))


def test_its_volume_begins_as_the_users_own(image):
    """An engine gives a new volume the mode and the owner of the directory that it covers."""
    found = (image / "var/lib/milepost").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (USER, USER, 0o700)
    owned = [path for path in image.rglob("*") if path.lstat().st_uid != 0]
    assert owned == [image / "var/lib/milepost"]


def test_scanners_find_every_library_of_debians(image):
    """As in distroless images: a file for each package, with its name and version; and its licence."""
    statuses = {path.name: path.read_text(encoding="utf-8") for path in (image / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libpq5", "libsqlite3-0", "ca-certificates"} <= set(statuses)
    for name, text in statuses.items():
        assert f"Package: {name}\n" in text and "\nVersion: " in text
        assert (image / "usr/share/doc" / name / "copyright").stat().st_size > 0


# MARK: at work in there


def test_it_starts_only_when_callers_are_known(container):
    code, _, notes = container.run("serve")
    assert code == 64
    assert "0.0.0.0 is not a loopback address" in notes and "--api-keys-file" in notes


def test_it_serves_there_and_keeps_what_it_was_given(container, serve):
    """The first key, a server, its health, a put and a get, an end, another start: as deploy/README.md has it."""
    keys = "/var/lib/milepost/keys.json"
    container.environment = {"MILEPOST_API_KEYS_FILE": keys, "MILEPOST_BEHIND_TLS_PROXY": "true"}
    code, key, notes = container.run("keys", "create")
    assert code == 0, notes
    assert container.health() == 1

    first = serve()
    assert container.health() == 0
    status = Path(f"/proc/{first.pid}/status").read_text(encoding="ascii")
    assert re.search(rf"^Uid:\s+{USER}\s+{USER}\s+{USER}\s+{USER}$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE) and re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    with caller(container, key.strip()) as client:
        put = {"thread_id": "t", "checkpoint_id": "c", "checkpoint": {"v": 4, "id": "c"}}
        assert client.post("/checkpoints/put", json=put).status_code == 200
    assert httpx.post(f"http://127.0.0.1:{container.port}/checkpoints/put", json=put).status_code == 401
    notes = end(first)
    assert "level\":\"error" not in notes and "level\":\"warning" not in notes, notes

    again = serve()
    with caller(container, key.strip()) as client:
        read = client.post("/checkpoints/get-tuple", json={"thread_id": "t"})
        assert read.json()["checkpoint"] == {"v": 4, "id": "c"}
    end(again)
    assert container.health() == 1
    assert {path.name for path in container.volume.iterdir()} <= {
        "keys.json", "keys.json.lock", "milepost.db", "milepost.db-wal", "milepost.db-shm", "milepost.db.lock",
    }


def test_nothing_can_be_written_but_the_volume(container):
    """`export` is a command that writes where it is told to."""
    container.run("verify")
    for path in ("/keys.json", "/etc/keys.json", "/usr/bin/keys.json"):
        code, _, notes = container.run("keys", "create", "--keys-file", path)
        assert code == 1 and re.search("Read-only file system|Permission denied", notes), notes
    assert container.run("keys", "create", "--keys-file", "/var/lib/milepost/keys.json")[0] == 0


def test_a_secret_of_kubernetes_is_taken(container, serve, tmp_path):
    """It belongs to root, and the group of the pod may read it (fsGroup): mode 0440."""
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o755)
    container.secrets = secrets
    assert container.run("keys", "create", "--keys-file", "/var/lib/milepost/keys.json")[0] == 0
    file = shutil.move(container.volume / "keys.json", secrets / "keys.json")
    container.environment = {"MILEPOST_API_KEYS_FILE": "/tmp/keys.json", "MILEPOST_BEHIND_TLS_PROXY": "true"}
    os.chown(file, 0, USER)
    os.chmod(file, 0o444)
    code, _, notes = container.run("serve")
    assert code == 1 and "(mode 444)" in notes
    os.chmod(file, 0o440)
    end(serve())
