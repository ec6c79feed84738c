"""The unit of systemd: it is one, it is as closed as it can be, and the program works under what it forbids."""

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from server import REPOSITORY, Server, binary_path

SYSTEMD = REPOSITORY / "deploy/systemd"
UNIT = SYSTEMD / "milepost.service"
INSTALLED = "/usr/local/bin/milepost"
# What systemd-analyze has left to say: the network, which is what a server is for.
EXPOSURE_LIMIT = 1.5


def run(*words):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)


def settings(name, text=None):
    """Every value of a setting, in order."""
    return re.findall(rf"(?m)^{name}=(.*)$", text if text is not None else UNIT.read_text(encoding="utf-8"))


def verified(unit, directory):
    """What `systemd-analyze verify` says of a unit whose program is where this one is built."""
    path = directory / "milepost.service"
    path.write_text(unit.replace(INSTALLED, str(binary_path())), encoding="utf-8")
    return run("systemd-analyze", "verify", "--man=no", path)


def with_drop_ins(unit):
    """The unit with what its examples add, as systemd puts them together."""
    return unit + "".join(path.read_text(encoding="utf-8") for path in sorted(SYSTEMD.glob("*.d/*.conf.example")))


def test_systemd_understands_it(tmp_path):
    unit = UNIT.read_text(encoding="utf-8")
    for text in (unit, with_drop_ins(unit)):
        ended = verified(text, tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    "change",
    [("Restart=on-failure", "Restart=sometimes"), ("PrivateTmp=", "PrivateTemp="), (INSTALLED, "/nowhere/milepost")],
)
def test_a_mistake_in_it_is_noticed(tmp_path, change):
    ended = verified(UNIT.read_text(encoding="utf-8").replace(*change), tmp_path)
    assert (ended.returncode, ended.stderr) != (0, "")


def test_it_is_closed(tmp_path):
    ended = run("systemd-analyze", "security", "--offline=yes", f"--threshold={int(EXPOSURE_LIMIT * 10)}", UNIT)
    assert ended.returncode == 0, ended.stdout
    assert float(re.search(r"exposure level for milepost.service: ([\d.]+)", ended.stdout)[1]) <= EXPOSURE_LIMIT


def test_its_user_can_be_made(tmp_path):
    ended = run("systemd-sysusers", "--dry-run", f"--root={tmp_path}", SYSTEMD / "milepost.sysusers")
    assert ended.returncode == 0 and "milepost" in ended.stderr + ended.stdout, ended.stderr


def test_the_program_knows_what_it_is_given():
    [command] = settings("ExecStart")
    assert command.split() == [INSTALLED, "serve"]
    known = re.findall(r"`(MILEPOST_\w+)`", (REPOSITORY / "docs/configuration.md").read_text(encoding="utf-8"))
    text = with_drop_ins(UNIT.read_text(encoding="utf-8"))
    given = [value.split("=")[0] for value in settings("Environment", text)]
    assert "MILEPOST_STORE" in given and set(given) <= set(known)


# MARK: under its filter


def allowed_calls():
    """The system calls that SystemCallFilter leaves, as systemd resolves its groups."""
    calls = members("@default")  # These always are.
    for line in settings("SystemCallFilter"):
        removed = line.startswith("~")
        for group in line.lstrip("~").split():
            calls = calls - members(group) if removed else calls | members(group)
    return calls


def members(group):
    listed = run("systemd-analyze", "syscall-filter", group)
    assert listed.returncode == 0, listed.stderr
    found = set()
    for word in re.findall(r"(?m)^    (\S+)$", listed.stdout):
        found |= members(word) if word.startswith("@") else {word}
    return found


class FilteredServer(Server):
    """A server whose system calls are filtered as the unit has it, memory that is writable and executable with them."""

    def launch(self):
        command = [binary_path(), "serve", "--host", "127.0.0.1", "--port", str(self.port), "--store", self.store]
        runner = [str(REPOSITORY / "e2e/filtered.py"), json.dumps(sorted(allowed_calls()))]
        with open(self._log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/python3", *runner, *map(str, command), *self._options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment,
            )


def test_the_program_works_under_its_filter(tmp_path):
    """Put, get, and an end in good order, with what it forbids answered with EPERM, as SystemCallErrorNumber has it."""
    assert settings("SystemCallErrorNumber") == ["EPERM"] and settings("MemoryDenyWriteExecute") == ["yes"]
    assert "read" in allowed_calls() and not {"mount", "ptrace", "setuid", "chown", "reboot"} & allowed_calls()
    server = FilteredServer(f"sqlite:{tmp_path}/milepost.db", tmp_path).start()
    try:
        status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
        assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
        put = {"thread_id": "t", "checkpoint_id": "c", "checkpoint": {"v": 4, "id": "c"}}
        assert httpx.post(f"{server.base_url}/checkpoints/put", json=put).status_code == 200
        read = httpx.post(f"{server.base_url}/checkpoints/get-tuple", json={"thread_id": "t"})
        assert read.json()["checkpoint"] == put["checkpoint"]
    finally:
        server.stop()
