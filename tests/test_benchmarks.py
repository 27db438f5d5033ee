"""What the benchmarks rely on; that they run is seen by `python benchmarks --quick`, in CI. Nothing is timed here."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from processes import environ_with

from kling_mcp.server.build import build_server
from kling_mcp.server.tools import load
from kling_mcp.settings import Settings

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
REPORT = runpy.run_path(str(BENCHMARKS / "measuring" / "report.py"))


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS), *words]
    # The coverage of what they run through says nothing about the tests.
    environ = {name: value for name, value in environ_with().items() if not name.startswith("COVERAGE_")}
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=300, check=False)


def test_benchmark_that_does_not_exist_is_named() -> None:
    done = run("strat", "--quick")
    assert done.returncode == 2
    assert "there is no benchmark strat" in done.stderr


def properties(schema: dict[str, Any] | None) -> set[str]:
    return set((schema or {}).get("properties", {}))


async def tool_of(server: MCPServer[Any]) -> Any:
    return next(tool for tool in await server.list_tools() if tool.name == "get_element")


@pytest.mark.anyio
async def test_floor_has_a_tool_equal_to_ours(settings: Settings) -> None:
    """Otherwise the ratio to it would say little."""
    floor = await tool_of(runpy.run_path(str(BENCHMARKS / "measuring" / "bare_server.py"))["server"])
    ours = await tool_of(build_server(settings))
    assert (floor.title, floor.annotations) == (ours.title, ours.annotations)
    assert properties(floor.input_schema) == properties(ours.input_schema)
    # Ours lists fewer fields than it answers; the floor answers as much.
    assert properties(floor.output_schema) == set(load("get_element").view.model_fields)


def test_every_round_has_everybody_in_another_order_and_warming_up_does_not_count() -> None:
    asked: list[str] = []

    def ask(name: str) -> int:
        asked.append(name)
        return len(asked)

    readings = REPORT["take_turns"]({name: partial(ask, name) for name in "abcd"}, 6, warm_up=2)
    rounds = ["".join(asked[start : start + 4]) for start in range(0, 32, 4)]
    assert all(sorted(one) == list("abcd") for one in rounds)
    assert len(set(rounds)) > 1
    assert sorted(reading for of_one in readings.values() for reading in of_one) == list(range(9, 33))


def test_ratio_is_that_of_the_rounds_so_a_slow_round_does_not_count() -> None:
    """Everything took ten times as long in the second round."""
    assert REPORT["ratio"]([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]).median == 2.0


def test_spread_is_the_median_and_the_distance_of_the_quartiles() -> None:
    assert REPORT["Spread"].of([5, 1, 3, 2, 4]).cell(1) == "3.0 (2.0)"
    assert REPORT["Spread"].of([7]).cell() == "7 (0)"


def test_table_lines_up() -> None:
    assert REPORT["table"](("name", "ms"), [("a", 1), ("longer", 1000)]) == "name      ms\na          1\nlonger  1000"


def test_kept_results_do_not_identify_the_computer() -> None:
    for path in (BENCHMARKS / "results").glob("*.txt"):
        assert not re.search(r"(^|\s)/(home|root|tmp|Users|usr|var)\b", path.read_text("utf-8")), path.name
