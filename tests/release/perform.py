"""Plays a release without its host: runs each step of the workflows that needs no host, in a copy of the repository.

    python tests/release/perform.py

In the copy the version's heading gets today's date and its interface is frozen, as a release wants it. The steps run
as they are written, with their variables; what the host installs before them (Python, uv, Node) is found in PATH, or
installed. The package index is played by a folder with what was built. `workflows.NEEDS_THE_HOST` has the rest.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from check_release import package_version  # noqa: E402 - found only now

from release.workflows import NEEDS_THE_HOST, Step, scripts  # noqa: E402 - the same

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".environments", "node_modules", "dist", "__pycache__", ".*_cache", ".hypothesis"
)


def copy_for_release(room: Path) -> Path:
    """The repository as it is when it is tagged."""
    copy = room / "repository"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
    changelog = copy / "CHANGELOG.md"
    today = datetime.now(UTC).date()
    changelog.write_text(changelog.read_text("utf-8").replace("(unreleased)", f"({today})", 1), "utf-8")
    if not list((copy / "tests" / "released").glob(f"{package_version(copy)}.*")):
        command = [sys.executable, "tools/wire.py", "--freeze"]
        subprocess.run(command, cwd=copy, check=True, env={**os.environ, "PYTHONPATH": str(copy)})
    return copy


def environment(copy: Path, room: Path) -> dict[str, str]:
    """What steps find on the host: the tag, uv, and no setting of the person who runs this."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KLING_", "GITHUB_"))}
    path = f"{uv_folder(room)}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    tag = f"v{package_version(copy)}"
    # uv keeps to this Python, and looks into the folder that plays the index before it asks the real one.
    uv = {"UV_PYTHON": sys.executable, "UV_FIND_LINKS": str(copy / "dist"), "UV_NO_PROGRESS": "1"}
    host = {"GITHUB_REF_NAME": tag, "GITHUB_REF": f"refs/tags/{tag}", "RUNNER_TEMP": str(room)}
    return {**kept, **uv, **host, "PATH": path}


def uv_folder(room: Path) -> Path:
    """Where uv lies; installed into a room of its own if the machine has none."""
    if found := shutil.which("uv"):
        return Path(found).parent
    subprocess.run([sys.executable, "-m", "venv", str(room / "uv")], check=True)
    python = room / "uv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"], check=True)
    return python.parent


def perform(step: Step, copy: Path, environ: dict[str, str]) -> bool:
    """Whether the step's script succeeds, as the host would run it."""
    print(f"-- {step.workflow}: {step.job}: {step.name}", flush=True)
    if left := re.search(r"\$\{\{.*?\}\}", f"{step.script} {step.env}"):
        print(f"   needs the host's {left[0]}; say so in NEEDS_THE_HOST", flush=True)
        return False
    command = [shutil.which("bash") or "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.script]
    done = subprocess.run(command, cwd=copy, env={**environ, **step.env}, check=False, stdin=subprocess.DEVNULL)
    return done.returncode == 0


def main() -> int:
    """0 if all steps succeed. A step that fails ends its job, and so this."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_for_release(Path(folder))
        environ = environment(copy, Path(folder))
        (copy / "dist").mkdir()
        count = 0
        # As on the host: ci.yml is done when release.yml builds.
        for step in scripts():
            if (step.workflow, step.job, step.name) in NEEDS_THE_HOST:
                continue
            if not perform(step, copy, environ):
                print(f"failed: {step.workflow}: {step.job}: {step.name}", file=sys.stderr)
                return 1
            count += 1
        files = ", ".join(sorted(path.name for path in (copy / "dist").iterdir()))
        print(f"{count} steps performed, {len(NEEDS_THE_HOST)} need the host; built {files}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
