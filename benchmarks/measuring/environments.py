"""Python environments that benchmarks make for themselves and keep: one for each contestant, as its users have it.

They lie beside the benchmarks in a folder that git does not see. Remove the folder to get newer versions.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / ".environments"


class CannotInstallError(Exception):
    """The text is the reason."""


def interpreter(needs: str = "") -> str:
    """The running Python, or the one that is asked for, such as "3.14".

    Raises:
        CannotInstallError: this computer has none.
    """
    if not needs or tuple(map(int, needs.split("."))) <= sys.version_info[:2]:
        return sys.executable
    if found := shutil.which(f"python{needs}"):
        return found
    raise CannotInstallError(f"needs Python {needs}, which is not on this computer")


def environment(name: str, requirements: Sequence[str], *, python: str, changes_with: str = "") -> Path:
    """The `bin` folder of the environment of this name; made where it is missing or was made from something else.

    Raises:
        CannotInstallError: the package index does not have it, or it cannot be built here.
    """
    home = FOLDER / name
    made_from = json.dumps([python, sys.version, list(requirements), changes_with])
    stamp = home / "made-from.json"
    if not (stamp.exists() and stamp.read_text("utf-8") == made_from):
        print(f"preparing an environment for {name}", file=sys.stderr, flush=True)
        _run([python, "-m", "venv", "--clear", str(home)], name)
        _run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements], name)
        stamp.write_text(made_from, "utf-8")
    return home / "bin"


def version_in(folder: Path, package: str) -> str:
    """The version of a package in an environment; "" where it is not there."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([folder / "python", "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _run(command: Sequence[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        print(done.stderr, file=sys.stderr)
        raise CannotInstallError(errors[-1].removeprefix("ERROR: ") if errors else f"installing {name} failed")
