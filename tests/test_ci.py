"""A run of CI says which suites it left out, in one line at its end, and fails if one of its steps does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from repository_files import ROOT

BASH = shutil.which("bash") or "/bin/bash"
RUN = (ROOT / ".ci/run").read_text("utf-8")


def said_of(log: str, folder: Path) -> str:
    """The last line of a run with this output."""
    path = folder / "log"
    path.write_text(log, "utf-8")
    ran = subprocess.run(
        [BASH, "-c", '. tests/packages.sh; tell_left_out "$0"', str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


pytestmark = pytest.mark.skipif(not BASH, reason="CI is a script for bash")


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("== make test\n7 passed in 2s\n", "left out: none\n"),
        ("left out: fastmcp: no network\n7 passed in 2s\n", "left out: fastmcp: no network\n"),
        ("left out: b: x; y\nwas left out: c\nleft out: a: z\nleft out: a: z\n", "left out: a: z; b: x; y\n"),
    ],
    ids=["nothing", "one", "several"],
)
def test_left_out_suites_are_said_in_one_line(log: str, said: str, tmp_path: Path) -> None:
    assert said_of(log, tmp_path) == said


def test_ci_run_ends_with_what_was_left_out_and_fails_with_its_steps(tmp_path: Path) -> None:
    """The real script, with steps that do nothing, leave something out, or fail."""
    head, rest = RUN.split("\ndemo() {", 1)
    tail = rest[rest.index("\neverything() {") :]
    names = tail.split("{", 1)[1].split("}", 1)[0].split()
    for last, code in (("echo 7 passed in 2s", 0), ("false", 1)):
        steps = {**dict.fromkeys(names, ":"), "clients": "left_out fastmcp 'no network'", "tests": last}
        script = tmp_path / ".ci" / "run"
        script.parent.mkdir(exist_ok=True)
        (tmp_path / "tests").mkdir(exist_ok=True)
        (tmp_path / "tests" / "packages.sh").write_text((ROOT / "tests/packages.sh").read_text("utf-8"), "utf-8")
        script.write_text(head + "".join(f"\n{name}() {{ {what}; }}" for name, what in steps.items()) + tail, "utf-8")
        ran = subprocess.run([BASH, str(script)], capture_output=True, text=True, check=False)
        assert ran.returncode == code, ran.stderr
        assert ran.stdout.splitlines()[-1] == "left out: fastmcp: no network"
        if code == 0:
            assert ran.stdout.splitlines()[-2] == "7 passed in 2s"
