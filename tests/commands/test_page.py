"""docs/command-line.md: every example runs, in its order, and the tables agree with the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import documented_commands
import preloaded
import pytest
import yaml
from documentation import blocks_of
from processes import ROOT, environ_with

from kling_mcp.simulator import World, served_in_background

PAGE = documented_commands.RUN_BY_ITSELF
JQ = shutil.which("jq")


@pytest.fixture
def shell(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The variables of a shell in a folder with arguments, where kling-mcp is installed."""
    (tmp_path / "picture.json").write_text('{"prompt": "A cup"}', "utf-8")
    programs = tmp_path / "bin"
    preloaded.put_command(programs)
    return environ_with(**environ, PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")


def run(script: str, variables: dict[str, str], folder: Path) -> str:
    ran = subprocess.run(
        [documented_commands.BASH, "-euo", "pipefail", "-c", script],
        env=variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, (script, ran.stdout, ran.stderr)
    return ran.stdout


@pytest.mark.skipif(not (documented_commands.BASH and JQ), reason="the examples need bash and jq")
def test_examples_of_the_page_run_in_their_order(tmp_path: Path) -> None:
    """As `tests/docs/test_commands.py` runs the other pages."""
    world = World(any_api_key=True, durations=lambda _kind, _rng: 0.1)
    with served_in_background(world) as kling:
        examples = [block for block in blocks_of(PAGE) if block.language == "sh"]
        shown = [documented_commands.run(block, tmp_path, kling) for block in examples]
    assert len(shown) == 6
    assert sum(world.accepted_creations().values()) == 2 + 1 + 1 + 1 + 3
    first = next(line for line in shown[3].splitlines() if line)
    assert Path(first).stat().st_size > 0
    assert {path.parent.name for path in (tmp_path / "results" / "places").glob("*.png")} == {"places"}


@pytest.mark.skipif(not documented_commands.BASH, reason="the steps need bash")
def test_steps_of_the_workflow_run(shell: dict[str, str], tmp_path: Path) -> None:
    (workflow,) = (yaml.safe_load(block.text) for block in blocks_of(PAGE) if block.language == "yaml")
    job = workflow["jobs"]["pictures"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps[0] == "uv tool install kling-mcp"
    for step in steps[1:]:
        run(step, shell, tmp_path)
    assert {*job["env"]} <= {*re.findall(r"KLING_\w+", (ROOT / "docs" / "settings.md").read_text("utf-8"))}


def test_page_lists_every_exit_code() -> None:
    codes = re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "130"]
