"""Builds with a sanitizer: what scripts/fuzz and scripts/sanitize have in common."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where each build is. That with AddressSanitizer has libFuzzer's coverage too, so that one build serves both scripts.
SCRATCH = {"thread": ROOT / ".build-thread", "address": ROOT / ".build-address"}
PACKAGES = ("libpq-dev", "libsqlite3-dev", "libxxhash-dev", "libzstd-dev")


def libfuzzer():
    """libFuzzer without a `main`, of the toolchain that compiles."""
    told = subprocess.run(["swiftc", "-print-target-info"], check=True, capture_output=True, text=True).stdout
    target = json.loads(told)
    folder = Path(target["paths"]["runtimeResourcePath"]) / "clang/lib/linux"
    name = f"libclang_rt.fuzzer_no_main-{target['target']['triple'].split('-')[0]}.a"
    if not (folder / name).is_file():
        raise SystemExit(f"the toolchain has no libFuzzer: {folder / name}")
    return str(folder / name)


def environment(sanitizer):
    return {**os.environ, "FUZZING": libfuzzer()} if sanitizer == "address" else dict(os.environ)


def options(sanitizer):
    """What the programs that it builds need in their environment, beside where reports go."""
    if sanitizer == "thread":
        return {}
    # Swift keeps an enum's case in the pointer to its value: LeakSanitizer does not take that for a pointer. With the
    # detection of uses after a return locals are not on the stack, whose depth a test looks at.
    return {"ASAN_OPTIONS": "detect_leaks=0 detect_stack_use_after_return=0"}


def flags(sanitizer):
    """What `swift build` and `swift test` are told, to use that build."""
    return ["--sanitize", sanitizer, "--scratch-path", str(SCRATCH[sanitizer])]


def build(sanitizer, *arguments):
    """Runs `swift build` with the sanitizer and the arguments, showing what it says; gives where the programs are."""
    subprocess.run([ROOT / "scripts/install-packages", *PACKAGES], check=True)
    command = ["swift", "build", *flags(sanitizer), *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(sanitizer), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for line in running.stdout:
            # The linker's complaints about the sanitizer's own symbols are many, and harmless.
            if "Cannot export local symbol" not in line:
                sys.stderr.write(line)
    if running.returncode != 0:
        raise SystemExit(f"not built with {sanitizer}: {' '.join(command)}")
    return SCRATCH[sanitizer] / "debug"
