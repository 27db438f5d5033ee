"""Two versions of the tools' texts, compared by a scripted model that reads them."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

# At the end: the folder has the name of a library, so it can be no package, and must not come first.
sys.path.append(str(Path(__file__).parent))

import run_with_model
from evaluation.fake_endpoint import FakeEndpoint, Heard, Turn
from evaluation.report import Row, as_comparison
from evaluation.tool_texts import UnreadableTextsError, read_texts

from kling_mcp.server.tools import NAMES, load

ROOT = Path(__file__).parents[2]
HINT = "Check here before creating."


def written(path: Path, hint: str, **more: str) -> str:
    """A file with the list of tools in which `find_elements` ends with this hint."""
    tools = [load(name).on_wire() for name in NAMES]
    for tool in tools:
        tool["description"] = tool["description"].replace(HINT, hint)
    path.write_text(json.dumps({"tools": tools, **more}), "utf-8")
    return str(path)


def looks_if_told(heard: Heard) -> Turn:
    """Looks before it answers where a text tells it to."""
    if HINT in heard.texts and not heard.turns:
        return Turn(calls=(("find_elements", {"query": "Mia"}),))
    return Turn("Yes, you have her: a barista.")


def compare(folder: Path, first: str, second: str) -> tuple[int, str]:
    """The exit code and the table."""
    with FakeEndpoint(looks_if_told) as endpoint:
        words = ["--base-url", endpoint.url, "--model", "scripted", "--only", "have-mia", "--compare", first, second]
        code = run_with_model.main([*words, "--out", str(folder / "table.md"), "--folder", str(folder / "live")])
    table = folder / "table.md"
    return code, table.read_text("utf-8") if table.exists() else ""


def test_text_that_makes_a_model_look_first_wins_the_comparison(tmp_path: Path) -> None:
    with_hint, without = written(tmp_path / "a.json", HINT), written(tmp_path / "b.json", "")
    code, table = compare(tmp_path, with_hint, without)
    assert code == 1
    assert f"A {with_hint}, B {without}" in table
    assert "passed A | passed B | calls A | calls B | tokens A | tokens B | units A | units B" in table
    assert "| lookups | have-mia | 1 | 0 | 1 | 0 | 22 | 11 | 0 | 0 |" in table
    assert "A: 1 of 1 runs of 1 requests passed" in table
    assert "B: 0 of 1 runs of 1 requests passed" in table


def test_instructions_of_a_version_are_shown_in_place_of_the_servers_own(tmp_path: Path) -> None:
    silent = written(tmp_path / "a.json", "")
    told = written(tmp_path / "b.json", "", instructions=f"About elements. {HINT}")
    assert "| have-mia | 0 | 1 |" in compare(tmp_path, silent, told)[1]


def test_checkout_is_asked_for_its_own_texts() -> None:
    texts = read_texts(str(ROOT))
    assert {tool.name for tool in texts.tools} == set(NAMES)
    assert any(HINT in (tool.description or "") for tool in texts.tools)
    assert texts.instructions


@pytest.mark.parametrize("content", [None, "no json", '{"tool": []}', '[{"title": "no name"}]', "7"])
def test_place_without_texts_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tools.json"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(UnreadableTextsError, match=r"tools\.json is neither a checkout"):
        read_texts(str(path))


def test_unreadable_version_ends_the_run_before_it_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(tmp_path, str(tmp_path / "none.json"), str(ROOT)) == (2, "")
    assert "is neither a checkout of kling-mcp nor a JSON file" in capsys.readouterr().err


def test_comparison_shows_differences_first_and_sums_what_both_did() -> None:
    same = Row("a", "money", runs=2, passed=2, calls=4, tokens_in=10, tokens_out=2, units=Decimal("16.0"))
    better = Row("b", "money", runs=2, passed=2, calls=2, tokens_in=10, tokens_out=2)
    worse = Row("b", "money", runs=2, passed=1, calls=6, tokens_in=30, tokens_out=2, units=Decimal("0.50"))
    alone = Row("c", "money", runs=2, passed=2)
    table = as_comparison([same, better, alone], [same, worse], "T")
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    assert lines[1:] == [
        "| money | b | 2 | 1 | 2 | 6 | 12 | 32 | 0 | 0.5 |",
        "| money | a | 2 | 2 | 4 | 4 | 12 | 12 | 16 | 16 |",
        "| | **all** | 4 | 3 | 6 | 10 | 24 | 44 | 16 | 16.5 |",
    ]
