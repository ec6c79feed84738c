"""A C library that programs load before all others, and a number that tells it what to do while they run."""

import struct
import subprocess
from pathlib import Path

OPTIONS = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")


class Preloaded:
    """The library that `NAME.c` beside this file is, built in a directory, for programs that get its `environment`.

    It reads its number as `preloaded.h` does, from the file that the variable NAME, in capitals, names: 0 at first.
    """

    def __init__(self, name, directory):
        variable, source = name.upper(), Path(__file__).parent / f"{name}.c"
        library, self._file = Path(directory) / f"{name}.so", Path(directory) / f"{name}.number"
        self._file.write_bytes(bytes(8))
        subprocess.run(["clang", *OPTIONS, f'-DNUMBER="{variable}"', "-o", library, source], check=True)
        for path in (library, self._file):
            path.chmod(0o644)
        self.environment = {"LD_PRELOAD": str(library), variable: str(self._file)}

    def write(self, number):
        """Tells it another number, at once, in all programs that have loaded it."""
        with open(self._file, "r+b") as file:
            file.write(struct.pack("<q", number))
