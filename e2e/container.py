"""What the Dockerfile's last stage is, made and run without a container engine: its file system by the script that the
Dockerfile runs, read-only, with the program in it as the user, in the directory and with the environment it names."""

import io
import json
import os
import shlex
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

from server import REPOSITORY, binary_path

ASSEMBLE = REPOSITORY / "deploy/docker/assemble-root"
# Binds the image read-only, a volume into it, and what an engine gives every container; then becomes the user.
ENTER = """
mount --bind "$IMAGE" "$IMAGE"
mount --bind "$VOLUME" "$IMAGE$DATA"
mount -t proc proc "$IMAGE/proc"
mount -t tmpfs -o mode=755 tmpfs "$IMAGE/dev"
for name in null random urandom zero; do touch "$IMAGE/dev/$name"; mount --bind "/dev/$name" "$IMAGE/dev/$name"; done
if [ -n "$SECRETS" ]; then mount --bind "$SECRETS" "$IMAGE/tmp"; fi
mount -o remount,bind,ro "$IMAGE"
exec env --ignore-environment "$@"
"""


class Dockerfile:
    """The instructions of the repository's Dockerfile."""

    def __init__(self, text=None):
        content = text if text is not None else (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
        parser = DockerfileParser(fileobj=io.BytesIO(content.encode()))
        self.all = [(step["instruction"], step["value"]) for step in parser.structure]
        last = max(index for index, (name, _) in enumerate(self.all) if name == "FROM")
        self.last_stage = self.all[last:]
        self.labels = parser.labels
        self.environment = dict(
            word.split("=", 1) for value in self.values("ENV", self.last_stage) for word in shlex.split(value)
        )

    @staticmethod
    def values(name, steps):
        return [value for instruction, value in steps if instruction == name]

    def last(self, name):
        return self.values(name, self.last_stage)[-1]

    @property
    def user(self):
        return self.last("USER")

    @property
    def entry_point(self):
        return json.loads(self.last("ENTRYPOINT"))

    @property
    def health_command(self):
        return json.loads(self.last("HEALTHCHECK").split("CMD", 1)[1])


def assemble(directory):
    """The last stage's file system, for the program under test: what its COPY lines take of what the script made."""
    made, root = directory / "image", directory / "root"
    subprocess.run([ASSEMBLE, binary_path(), made], check=True, timeout=60)
    root.mkdir(mode=0o755)
    for line in Dockerfile.values("COPY", Dockerfile().last_stage):
        *flags, source, target = line.split()
        options = dict(flag.lstrip("-").split("=", 1) for flag in flags)
        assert options.pop("from") == "root" and source.startswith("/image/") and set(options) <= {"chown"}
        owner = tuple(map(int, options.get("chown", "0:0").split(":")))
        copy_content(made / source.removeprefix("/image/"), root / target.removeprefix("/"), owner)
    return root


def copy_content(source, target, owner):
    """As COPY does: what is there stays as it is, what is new has the mode of its source and the owner named."""
    target.mkdir(exist_ok=True, parents=True)
    for entry in sorted(source.iterdir()):
        new = target / entry.name
        if entry.is_symlink():
            new.symlink_to(os.readlink(entry))
            continue
        if not entry.is_dir():
            shutil.copy(entry, new)
        elif not new.exists():
            new.mkdir()
            new.chmod(stat.S_IMODE(entry.stat().st_mode))
        os.chown(new, *owner)
        if entry.is_dir():
            copy_content(entry, new, owner)


@dataclass
class Container:
    """A container of that image: each command is a process of its own in its file system, on this machine's network."""

    image: Path
    volume: Path
    port: int
    secrets: Path | None = None
    environment: dict = field(default_factory=dict)
    dockerfile: Dockerfile = field(default_factory=Dockerfile)

    def command(self, words):
        """What enters the container and runs `words` there."""
        user = self.dockerfile.user
        environment = {
            **self.dockerfile.environment,
            "PATH": "/usr/bin",
            "MILEPOST_PORT": str(self.port),
            **self.environment,
        }
        settings = [f"{name}={value}" for name, value in environment.items()]
        become = ["/usr/sbin/chroot", f"--userspec={user}", "--groups=", self.image]
        inside = ["/usr/bin/setpriv", "--no-new-privs", *become, *words]
        return ["unshare", "--mount", "--propagation", "private", "bash", "-euc", ENTER, "enter", *settings, *inside]

    def start(self, *words):
        """Starts a process in the container; its standard error can be read."""
        outside = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "IMAGE": str(self.image),
            "VOLUME": str(self.volume),
            "DATA": self.dockerfile.last("WORKDIR"),
            "SECRETS": str(self.secrets or ""),
        }
        return subprocess.Popen(
            list(map(str, self.command(words))),
            env=outside,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words):
        """Runs the program with `words`, as `docker run IMAGE WORDS…` would: exit code, output, notes."""
        process = self.start(*self.dockerfile.entry_point, *words)
        output, notes = process.communicate(timeout=60)
        return process.returncode, output, notes

    def health(self):
        """The exit code of the health check; it asks the port that this container has."""
        words = [word.replace(":5003", f":{self.port}") for word in self.dockerfile.health_command]
        process = self.start(*words)
        process.communicate(timeout=60)
        return process.returncode
