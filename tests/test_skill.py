"""The skill keeps the Agent Skills rules, and names only tools, arguments, kinds and commands that exist."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from repository_files import ROOT

from kling_mcp import __version__
from kling_mcp.cli import _build_parser
from kling_mcp.errors import Kind
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.production.read_sheet import read_sheet
from kling_mcp.server.schemas import plain_schema
from kling_mcp.server.tools import NAMES, load

PICTURES = ROOT / "kling_mcp" / "demo" / "pictures"
PATH = ROOT / "skills" / "kling" / "SKILL.md"
_, HEAD, BODY = PATH.read_text("utf-8").split("---\n", 2)
FIELDS: dict[str, Any] = yaml.safe_load(HEAD)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", BODY, re.DOTALL | re.MULTILINE)
COMMANDS = [
    shlex.split(line) for kind, text in BLOCKS if kind == "sh" for line in text.replace("\\\n", " ").splitlines()
]
CODE = re.findall(r"`([^`\n]+)`", BODY)


def test_skill_has_a_name_and_description_that_hosts_accept() -> None:
    assert FIELDS["name"] == PATH.parent.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", FIELDS["name"])
    assert 1 <= len(FIELDS["description"]) <= 1024
    assert len(FIELDS["compatibility"]) <= 500
    assert set(FIELDS) == {"name", "description", "license", "compatibility", "metadata"}
    assert FIELDS["metadata"] == {"version": __version__}


def test_skill_is_short_enough_to_be_loaded_whole() -> None:
    assert len(BODY.splitlines()) <= 160
    assert len(BODY.split()) <= 1500


def test_names_in_the_skill_are_tools_arguments_or_results() -> None:
    tools = list(map(load, NAMES))
    fields = {name for tool in tools for model in (tool.arguments, tool.view) for name in model.model_fields}
    named = {word for word in CODE if re.fullmatch(r"[a-z]+(_[a-z]+)+", word)}
    assert named <= {*NAMES, *fields, *get_args(Kind)}
    assert len(named & set(NAMES)) > 10


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[2] == "call"], ids=" ".join)
def test_call_in_the_skill_has_arguments_of_its_tool(words: list[str]) -> None:
    assert words[:2] == ["uvx", "kling-mcp"]
    arguments = dict(word.split("=", 1) for word in words[4:] if not word.startswith("--"))
    schema = plain_schema(load(words[3]).arguments)
    assert set(arguments) <= set(schema["properties"])
    assert "--help" in words or set(schema.get("required", ())) <= set(arguments)
    for name, value in arguments.items():
        assert value in schema["properties"][name].get("enum", [value])


def test_production_commands_of_the_skill_exist() -> None:
    told = [words for words in map(str.split, CODE) if words[:3] == ["uvx", "kling-mcp", "production"]]
    assert len(told) == 2
    for words in told:
        _build_parser().parse_args(["3" if word == "N" else word for word in words[2:]])


def test_error_kinds_of_the_skill_exist() -> None:
    rows = re.search(r"\| the line says \|(.*?)\n\n", BODY, re.DOTALL)
    assert rows is not None
    words = {word.removeprefix("kind=") for word in re.findall(r"`((?:kind=)?[a-z_]+)`", rows[1])}
    assert words - set(NAMES) <= set(get_args(Kind))


def test_sheet_in_the_skill_can_be_read(tmp_path: Path) -> None:
    [text] = [text for kind, text in BLOCKS if kind == "yaml"]
    (tmp_path / "pictures").mkdir()
    for view in ("front", "side"):
        shutil.copy(PICTURES / f"pip-{view}.jpg", tmp_path / "pictures" / f"mia-{view}.jpg")
    (tmp_path / "sheet.yaml").write_text(text, "utf-8")
    sheet = read_sheet(str(tmp_path / "sheet.yaml"), MediaPolicy((tmp_path,)))
    assert [len(sheet.cast), len(sheet.shots)] == [2, 2]
