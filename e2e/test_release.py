"""A release: the tarball, what is in it, where it comes from, and that it comes out the same again."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from server import REPOSITORY, binary_path

RELEASE_LIMIT = 300


def run(*words, directory=REPOSITORY, **options):
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, cwd=directory, timeout=RELEASE_LIMIT, **options
    )


def release(directory, *options):
    return run("scripts/release", "--program", binary_path(), "--directory", directory, *options)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A release of the program under test: its directory and what it said."""
    directory = tmp_path_factory.mktemp("dist")
    ended = release(directory, "--no-tag")
    assert ended.returncode == 0, ended.stderr
    return directory, ended.stderr


@pytest.fixture(scope="module")
def tarball(made):
    [path] = [path for path in made[0].glob("*.tar.gz") if not path.name.endswith("-debug.tar.gz")]
    return path


@pytest.fixture(scope="module")
def installed(tarball, tmp_path_factory):
    """The tarball unpacked as docs/release.md says, where /usr/local would be."""
    directory = tmp_path_factory.mktemp("local")
    assert run("tar", "-xzf", tarball, "--strip-components=1", "-C", directory).returncode == 0
    return directory


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# MARK: the tarball


def test_it_says_how_far_it_is(made):
    assert re.findall(r"release: (\d)/(\d) ", made[1]) == [(str(step), "6") for step in range(1, 7)]


def test_the_same_program_gives_the_same_bytes(made, tmp_path):
    assert release(tmp_path, "--no-tag").returncode == 0
    first, again = ({path.name: digest(path) for path in where.iterdir()} for where in (made[0], tmp_path))
    assert first == again and len(first) == 4


def test_its_checksums_are_right(made):
    ended = run("sha256sum", "--check", "--strict", "SHA256SUMS", directory=made[0])
    assert ended.returncode == 0 and len(ended.stdout.splitlines()) == 3, ended.stderr


def test_it_has_one_owner_one_time_and_an_order(tarball):
    with tarfile.open(tarball) as archive:
        members = archive.getmembers()
    committed = int(run("git", "log", "-1", "--format=%ct").stdout)
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {(0, 0, "", committed)}
    assert all(member.isdir() or member.isreg() for member in members)
    assert {member.mode for member in members} == {0o755, 0o644}
    names = [member.name for member in members]
    assert names == sorted(names, key=lambda name: name.split("/"))


def test_what_is_unpacked_runs_and_needs_no_swift(installed):
    program = installed / "bin/milepost"
    assert run(program, "--version", env={}).stdout == run(binary_path(), "--version").stdout
    needed = run("ldd", program).stdout
    assert not re.search(r"swift|Foundation|BlocksRuntime|libdispatch|/opt/", needed) and "libsqlite3" in needed
    sections = run("readelf", "--sections", "--wide", program).stdout
    assert ".symtab" not in sections and ".debug_info" not in sections


def test_its_symbols_are_found_by_the_build_id(made, installed):
    [symbols] = made[0].glob("*-debug.tar.gz")
    notes = run("readelf", "--notes", installed / "bin/milepost").stdout
    build_id = re.search(r"Build ID: ([0-9a-f]+)", notes)[1]
    with tarfile.open(symbols) as archive:
        names = archive.getnames()
    assert any(name.endswith(f"/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug") for name in names)


@pytest.mark.parametrize(
    "path", ["LICENSE", "README.md", "CHANGELOG.md", "docs/release.md", "deploy/README.md", "sbom.cdx.json"]
)
def test_its_documents_come_along(installed, path):
    assert (installed / "share/doc/milepost" / path).stat().st_size > 0


@pytest.mark.parametrize(
    ("shell", "path"),
    [
        ("bash", "bash-completion/completions/milepost"),
        ("zsh", "zsh/site-functions/_milepost"),
        ("fish", "fish/vendor_completions.d/milepost.fish"),
    ],
)
def test_completions_are_of_their_shell(installed, shell, path):
    script = installed / "share" / path
    assert "serve" in script.read_text(encoding="utf-8")
    ended = run(shell, "--no-execute" if shell == "fish" else "-n", script)
    assert ended.returncode == 0, ended.stderr


def test_bash_completes_commands_and_options(installed):
    script = """
    source "$1"
    complete_line() {
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
        COMPREPLY=(); _milepost milepost "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}"
    }
    complete_line milepost ser
    complete_line milepost serve --store-pass
    """
    ended = run("bash", "-c", script, "bash", installed / "share/bash-completion/completions/milepost")
    assert ended.stdout.split() == ["serve", "--store-password-file"], ended.stderr


# MARK: the manual


def test_the_manual_is_what_the_program_says():
    ended = run("scripts/manual", "--check", binary_path())
    assert ended.returncode == 0, ended.stderr


def test_a_manual_of_another_program_is_noticed(tmp_path):
    other = tmp_path / "milepost"
    other.write_text(f'#!/bin/sh\n"{binary_path()}" "$@" | sed "s/Port to listen on/Harbour/"\n', encoding="utf-8")
    other.chmod(0o755)
    ended = run("scripts/manual", "--check", other)
    assert ended.returncode == 1 and "run 'make man' and commit it" in ended.stderr and "Harbour" in ended.stderr


def test_the_manual_renders_without_a_warning():
    ended = run("groff", "-mdoc", "-Tutf8", "-P-cbou", "-ww", "docs/milepost.1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "--store-password-file path" in ended.stdout


# MARK: what it is made of


def test_the_sbom_is_of_cyclonedx(installed):
    text = (installed / "share/doc/milepost/sbom.cdx.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = json.loads(text)
    broken["components"][0]["licenses"] = [{"license": {"id": "none of SPDX's"}}]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(broken)) is not None


def test_the_sbom_names_everything(installed):
    document = json.loads((installed / "share/doc/milepost/sbom.cdx.json").read_text(encoding="utf-8"))
    found = {part["name"]: part for part in document["components"]}
    resolved = json.loads((REPOSITORY / "Package.resolved").read_text(encoding="utf-8"))["pins"]
    versions = {pin["location"].removesuffix(".git"): pin["state"]["version"] for pin in resolved}
    purls = {re.sub(r"^pkg:swift/(.+)@(.+)$", r"https://\1 \2", part["purl"]) for part in found.values()}
    assert {f"{location} {version}" for location, version in versions.items()} <= purls
    assert {"swift", "libc6", "libpq5", "libsqlite3-0", "libzstd1", "libxxhash-dev"} <= set(found)
    without = [name for name, part in found.items() if part["purl"].startswith("pkg:swift/") and "licenses" not in part]
    assert without == []
    references = {part["bom-ref"] for part in document["components"]}
    assert {name for edge in document["dependencies"] for name in edge["dependsOn"]} == references


# MARK: versions


@pytest.fixture
def source(tmp_path):
    """The files that name the version, to be changed."""
    for path in ("Sources/CheckpointAPI/Version.swift", "Dockerfile", "CHANGELOG.md", "deploy"):
        copy = shutil.copytree if (REPOSITORY / path).is_dir() else shutil.copy
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / path, tmp_path / path)
    return tmp_path


def versions(directory, *tag):
    return run(REPOSITORY / "scripts/versions", *tag, directory=directory)


def replace(path, pattern, text):
    content, count = re.subn(pattern, text, path.read_text(encoding="utf-8"), count=1)
    assert count == 1, pattern
    path.write_text(content, encoding="utf-8")


def test_every_file_names_the_same_version(source):
    ended = versions(source)
    assert ended.returncode == 0 and run(binary_path(), "--version").stdout == ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("Sources/CheckpointAPI/Version.swift", r'current = "[^"]+'),
        ("Dockerfile", r'image\.version="[^"]+'),
        ("deploy/compose.yaml", r"image: milepost:[\d.]+"),
        ("deploy/helm/milepost/Chart.yaml", r"\nversion: [\d.]+"),
        ("deploy/helm/milepost/Chart.yaml", r'appVersion: "[\d.]+'),
        ("CHANGELOG.md", r"## (Unreleased \(|)[\d.]+"),
    ],
)
def test_a_file_that_names_another_is_noticed(source, path, pattern):
    replace(source / path, pattern, lambda found: re.sub(r"[\d.]+$", "9.9.9", found[0]))
    ended = versions(source)
    assert ended.returncode == 1 and "9.9.9" in ended.stderr


def test_a_tag_has_to_be_the_versions(source):
    version = versions(source).stdout.strip()
    replace(source / "CHANGELOG.md", r"## .*\n", f"## {version} - 2026-12-31\n")
    assert versions(source, f"v{version}").returncode == 0
    ended = versions(source, "v9.9.9")
    assert ended.returncode == 1 and f"its tag is v{version}" in ended.stderr
    replace(source / "CHANGELOG.md", r"## .*\n", f"## Unreleased ({version})\n")
    assert "a version that is out begins with" in versions(source, f"v{version}").stderr


def test_a_release_of_another_tag_is_refused(tmp_path):
    ended = release(tmp_path, "--tag", "v9.9.9")
    assert ended.returncode == 1 and "v9.9.9" in ended.stderr and list(tmp_path.iterdir()) == []
