"""The examples run, on virtual time; they check themselves, so a test only has to play them."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import anyio
import pytest
from virtual_time import VirtualClock, VirtualLoop

import kling_mcp
import kling_mcp.simulator

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
MAX_LINES = 60
PUBLIC = {
    "kling_mcp": set(kling_mcp.__all__),
    "kling_mcp.simulator": set(kling_mcp.simulator.__all__),
    "kling_mcp.server.build": {"build_server"},
}

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def test_examples_folder_is_not_empty() -> None:
    assert len(EXAMPLES) >= 4


@each_example
def test_example_runs_and_says_what_happens(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(example))["main"]
    anyio.run(main, VirtualClock(), backend_options={"loop_factory": VirtualLoop})
    assert len(capsys.readouterr().out.splitlines()) >= 2


@each_example
def test_example_proves_what_it_says(example: Path) -> None:
    """Without an assertion the run above would prove nothing."""
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(example.read_text("utf-8"))))


@each_example
def test_example_fits_on_a_page(example: Path) -> None:
    assert len(example.read_text("utf-8").splitlines()) <= MAX_LINES


@each_example
def test_example_uses_public_names_only(example: Path) -> None:
    for node in ast.walk(ast.parse(example.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            assert all(not alias.name.startswith("kling_mcp.") for alias in node.names)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kling_mcp":
            assert {alias.name for alias in node.names} <= PUBLIC[str(node.module)]
