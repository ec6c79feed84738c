"""`milepost keys` as a shell uses it: the key alone on standard output, and many processes at one file."""

import json
import os
import re
import stat
import subprocess

from server import binary_path, clean_environment

PROCESSES = 12


def keys(*arguments, file):
    """Starts `milepost keys` on a file that is named in the environment."""
    return subprocess.Popen(
        [binary_path(), "keys", *arguments],
        env=clean_environment(MILEPOST_API_KEYS_FILE=str(file)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments, file, code=0):
    """What it says on standard output and on standard error, when it ends with that code."""
    process = keys(*arguments, file=file)
    output, notes = process.communicate(timeout=30)
    assert process.returncode == code, notes
    return output, notes


def listed(file):
    """The keys of the file, by their notes."""
    output, notes = run("list", "--json", file=file)
    assert notes == ""
    return {key["note"]: key for key in json.loads(output)["keys"]}


def test_the_key_alone_is_on_standard_output(tmp_path):
    """What `KEY=$(milepost keys create)` gets is the key, and neither the file nor anything else has it."""
    file = tmp_path / "keys.json"
    output, notes = run("create", "--note", "mine", "--expires", "90d", file=file)
    assert re.fullmatch(r"mlp_[0-9A-Za-z]{49}\n", output)
    assert listed(file)["mine"]["id"] in notes
    shown = notes + file.read_text() + "".join(run("list", file=file)) + "".join(run("list", "--json", file=file))
    assert output.strip() not in shown
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["keys.json", "keys.json.lock"]


def test_processes_at_once_lose_no_key(tmp_path):
    """Keys that are made and revoked by many processes at one time are all there, each as it was left."""
    file = tmp_path / "keys.json"
    run("create", "--note", "first", file=file)
    first = listed(file)["first"]["id"]
    running = [keys("create", "--note", str(number), file=file) for number in range(PROCESSES)]
    running.append(keys("revoke", first, file=file))
    made = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * (PROCESSES + 1)
    assert len({key for key in made if key}) == PROCESSES
    found = listed(file)
    assert set(found) == {"first", *map(str, range(PROCESSES))}
    assert {note for note, key in found.items() if key["state"] == "revoked"} == {"first"}


def test_a_file_that_others_may_read_is_refused(tmp_path):
    """The command ends with 1 and says what to type; nothing is changed."""
    file = tmp_path / "keys.json"
    run("create", file=file)
    before = file.read_bytes()
    file.chmod(0o644)
    for arguments in (["create"], ["list"], ["revoke", "a"]):
        output, notes = run(*arguments, file=file, code=1)
        assert output == ""
        assert re.fullmatch(r"milepost: other users .* \(mode 644\); run 'chmod 600 .*keys.json'\n", notes)
    assert file.read_bytes() == before
