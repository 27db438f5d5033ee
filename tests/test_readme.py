"""The README says what the code does: its tables, blocks and commands are compared with it."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any, get_args

import pytest
from readings import plain_variables, secret_variables

from kling_mcp.cli import main
from kling_mcp.errors import Kind
from kling_mcp.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MARKDOWN = sorted(ROOT.glob("*.md"))
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def table_under(heading: str) -> list[list[str]]:
    """The rows, without the head, of the first table after a heading; bars inside code do not count."""
    lines = README.split(f"## {heading}\n", 1)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|-"))
    rows: list[list[str]] = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def bare(cell: str) -> str:
    """A cell that is nothing but code, without its marks; "" for any other."""
    return cell[1:-1] if re.fullmatch(r"`[^`]+`", cell) else ""


def test_table_of_tools_matches_the_code() -> None:
    with_tools = runpy.run_path(str(ROOT / "tools" / "write_readme.py"))["with_tools"]
    assert with_tools(README) == README, "run: python tools/write_readme.py"


def test_page_of_tools_matches_the_code() -> None:
    written = runpy.run_path(str(ROOT / "tools" / "write_tools_page.py"))
    assert written["page"]() == written["PAGE"].read_text("utf-8"), "run: python tools/write_tools_page.py"


def test_tables_of_models_and_prices_match_the_code() -> None:
    films = (ROOT / "docs" / "films.md").read_text("utf-8")
    with_tables = runpy.run_path(str(ROOT / "tools" / "write_films_page.py"))["with_tables"]
    assert with_tables(films) == films, "run: python tools/write_films_page.py"


def test_table_of_settings_names_exactly_what_is_read() -> None:
    assert {bare(name) for name, _, _ in table_under("Settings")} == plain_variables()


@pytest.mark.parametrize(("name", "default"), [(bare(row[0]), bare(row[2])) for row in table_under("Settings")])
def test_setting_a_variable_to_its_default_changes_nothing(name: str, default: str) -> None:
    assert Settings.from_env({name: default}) == Settings.from_env({})


def test_every_secret_may_come_from_a_file(tmp_path: Path) -> None:
    forms = {"KLING_MCP_STATE_URL": "postgresql://host/kling", "KLING_WEBHOOK_SECRET": "whsec_c2VjcmV0"}
    values = {name: forms.get(name, f"the-value-of-{name}") for name in secret_variables()}
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n", "utf-8")
    read = Settings.from_env({f"{name}_FILE": str(tmp_path / name) for name in values})
    assert sorted(read.secrets) == sorted(values.values())


def test_table_of_commands_names_exactly_the_commands_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    offered = set(re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.MULTILINE))
    told = {bare(command) for command, _ in table_under("Commands")}
    assert told == {"kling-mcp"} | {f"kling-mcp {command}" for command in offered}


def test_table_of_kinds_is_complete_and_in_the_order_of_the_code() -> None:
    assert [bare(kind) for kind, _ in table_under("When a call fails")] == list(get_args(Kind))


@pytest.mark.parametrize(("name", "ratio"), [(bare(row[0]), row[2]) for row in table_under("Figures")])
def test_table_of_figures_quotes_the_newest_results(name: str, ratio: str) -> None:
    newest = max((ROOT / "benchmarks" / "results").glob(f"{name}-????-??-??.txt"))
    assert ratio in newest.read_text("utf-8").split(), f"{newest.name} does not say {ratio}"


def server_blocks() -> list[dict[str, Any]]:
    found = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", README, re.DOTALL | re.MULTILINE)]
    return [server for block in found for server in (block.get("mcpServers") or block["servers"]).values()]


@pytest.mark.parametrize("server", server_blocks())
def test_block_for_an_assistant_starts_the_server_with_settings_that_exist(server: dict[str, Any]) -> None:
    assert [server["command"], *server["args"]] == ["uvx", "kling-mcp"]
    assert set(server["env"]) <= plain_variables()
    key = "a-real-key"
    assert Settings.from_env(dict.fromkeys(server["env"], key)).api_key == key


def test_block_that_was_not_filled_in_is_refused_by_name() -> None:
    for server in server_blocks():
        for name, placeholder in server["env"].items():
            with pytest.raises(Exception, match=name):
                Settings.from_env({name: placeholder})


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) <= targets


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_markdown_has_one_sentence_per_line(path: Path) -> None:
    prose = [line for line in CODE.sub("", path.read_text("utf-8")).splitlines() if not line.startswith("|")]
    assert [line for line in prose if re.search(r"[.!?] +[A-Z]", line.lstrip("-0123456789. "))] == []
