"""docs/command-line.md: every example runs, in its order, and the tables agree with the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from never_twice.real_server import Kling
from PIL import Image
from processes import COMMAND, ROOT, environ_with

PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
BASH, JQ = shutil.which("bash"), shutil.which("jq")
PICTURES = ("mia-front", "mia-side", "sara-front", "sara-side", "sara-back")


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def shell(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The variables of a shell in a folder with pictures, where kling-mcp is installed."""
    for number, name in enumerate(PICTURES):
        Image.new("RGB", (400, 500), (40 * number, 90, 160)).save(tmp_path / f"{name}.jpg")
    (tmp_path / "picture.json").write_text('{"prompt": "A cup"}', "utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    launcher = programs / "kling-mcp"
    launcher.write_text(f'#!/bin/sh\nexec {COMMAND[0]} -m kling_mcp "$@"\n', "utf-8")
    launcher.chmod(0o755)
    return environ_with(**environ, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")


def run(script: str, variables: dict[str, str], folder: Path) -> str:
    assert BASH
    ran = subprocess.run(
        [BASH, "-euo", "pipefail", "-c", script],
        env=variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, (script, ran.stdout, ran.stderr)
    return ran.stdout


def as_tested(block: str) -> str:
    """In front of a Kling whose tasks are quick, instead of the sandbox; what may fail says so."""
    block = block.replace("export KLING_MCP_SANDBOX=1\n", "")
    return re.sub(r"^(.+?)  # exit code 1$", r"if \1; then false; else [ $? = 1 ]; fi", block, flags=re.MULTILINE)


@pytest.mark.skipif(not (BASH and JQ), reason="the examples need bash and jq")
def test_examples_of_the_page_run_in_their_order(shell: dict[str, str], kling: Kling, tmp_path: Path) -> None:
    shown = [run(as_tested(block), shell, tmp_path) for block in blocks("sh")]
    assert len(shown) == 6
    assert sum(kling.world.accepted_creations().values()) == 2 + 1 + 1 + 1 + 3
    first = next(line for line in shown[3].splitlines() if line)
    assert Path(first).stat().st_size > 0
    assert {path.parent.name for path in (tmp_path / "results" / "places").glob("*.png")} == {"places"}


@pytest.mark.skipif(not BASH, reason="the steps need bash")
def test_steps_of_the_workflow_run(shell: dict[str, str], tmp_path: Path) -> None:
    (workflow,) = map(yaml.safe_load, blocks("yaml"))
    job = workflow["jobs"]["pictures"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps[0] == "uv tool install kling-mcp"
    for step in steps[1:]:
        run(step, shell, tmp_path)
    assert {*job["env"]} <= {*re.findall(r"KLING_\w+", (ROOT / "docs" / "settings.md").read_text("utf-8"))}


def test_page_lists_every_exit_code() -> None:
    codes = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "130"]
