"""Rules of the house that no linter holds: one version, short files and functions, quiet modules, no stray words."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from costs import BUSY, READING, TESTS, UNCOUNTED, WAITING
from repository_files import ROOT, files_of, named, nodes_of, tree_of

from kling_mcp._version import __version__

MAX_FUNCTION_LINES = 40
MAX_MODULE_LINES, MAX_TEST_LINES = 400, 500  # a table of cases may be long

# Longer than the rule, each with its reason; a file that got shorter must leave the list.
LONG_FILES = {
    "tests/elements/test_create.py": "one story for each rule of never twice, beside those it must agree with",
    "tests/store/test_sqlite.py": "everything that can happen to the state file, and nothing made twice after it",
}

# How the name of a test may not begin: it is read in a log, without its class and the line above it.
NO_SUBJECT = re.compile(
    "(?:an?_|the_)?(?:what|its?|that|they|those|these|this|he|she|we|who|whoever|which|whatever|anything|everything|"
    "nothing|nobody|another|others?|ones?|both|neither|none|no|not|nor|or|and|but|also|never|of|unless)_"
)
# Words that are not the plain English of a sentence about software.
NOT_IN_A_NAME = {"nobody", "nobodys", "somebody", "anybody", "whoever", "anew", "wish", "wishes", "told", "tells"}
MAX_NAME = 90

PYTHON = list(files_of(".py"))
PACKAGE = [path for path in PYTHON if named(path).startswith("kling_mcp/")]


def test_version_is_defined_in_one_place() -> None:
    """It stands in `_version`; everything else agrees."""
    server = json.loads((ROOT / "server.json").read_text("utf-8"))
    assert {server["version"], *(package["version"] for package in server["packages"])} == {__version__}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["version"]["path"] == "kling_mcp/_version.py"
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8").replace("[", "").replace("]", "")


def test_files_stay_within_the_length_limit() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in PYTHON}
    long = {named(path) for path in lines if lines[path] > (MAX_MODULE_LINES if path in PACKAGE else MAX_TEST_LINES)}
    assert long == set(LONG_FILES)


def what_is_wrong_with(name: str) -> str:
    """Why a test may not be called so, or ""."""
    sentence = name.removeprefix("test_")
    words = sentence.split("_")
    if len([word for word in words if word not in {"a", "an", "the"}]) < 3:
        return "at least three words"
    if NO_SUBJECT.match(sentence):
        return "begin with the subject"
    return "plain words" if NOT_IN_A_NAME & set(words) else "shorter" if len(name) > MAX_NAME else ""


def test_names_of_tests_are_sentences_with_a_subject() -> None:
    """A name is read in a CI log, without its class and its neighbours."""
    wrong = {
        f"{named(path)}:{node.name}": what_is_wrong_with(node.name)
        for path in PYTHON
        if path.name.startswith("test_")
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    assert {name: why for name, why in wrong.items() if why} == {}


def test_rule_for_names_of_tests_finds_riddles() -> None:
    riddles = [
        "test_maybe",
        "test_a_pause",
        "test_it_is_found_later",
        "test_the_one_that_failed",
        "test_or_a_later_call",
    ]
    assert [name for name in riddles if not what_is_wrong_with(name)] == []
    assert what_is_wrong_with("test_lost_reply_is_found_by_external_id") == ""


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def test_functions_stay_within_the_length_limit() -> None:
    long = {
        f"{named(path)}:{node.name}": length_of(node)
        for path in PYTHON
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length_of(node) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_lists_of_long_and_uncounted_tests_name_files_that_exist() -> None:
    assert [name for name in (*WAITING, *BUSY, *READING, *UNCOUNTED) if not (TESTS / name).exists()] == []


def test_modules_have_a_docstring() -> None:
    silent = {named(path) for path in PACKAGE if tree_of(path).body and not ast.get_docstring(tree_of(path))}
    assert silent == set()


def test_private_module_is_imported_by_its_neighbours_alone() -> None:
    """import-linter knows no patterns within a name; `_version` is everybody's."""
    strangers = {
        (named(path), node.module)
        for path in PYTHON
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kling_mcp.")
        for module in [node.module or "", *(f"{node.module}.{name.name}" for name in node.names)]
        for room, dot, private in [module.rpartition("._")]
        if dot and (ROOT / f"{module.replace('.', '/')}.py").is_file()
        if private != "version" and named(path.parent).replace("/", ".") != room
    }
    assert strangers == set()


def test_only_the_command_line_and_the_demo_print() -> None:
    """Over stdio, stdout carries the protocol alone."""
    printing = {
        named(path)
        for path in PACKAGE
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert all(name == "kling_mcp/cli.py" or name.startswith("kling_mcp/demo/") for name in printing)


def test_broad_exceptions_are_caught_in_one_place_only() -> None:
    """Where a defect becomes an answer. Elsewhere it would hide."""
    catching = {
        named(path)
        for path in PACKAGE
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    }
    assert catching == {"kling_mcp/server/run_tool.py"}


def test_every_exemption_has_its_reason() -> None:
    """Beside it or on the line above."""
    exemption = re.compile(r"#\s*(?:noqa|type: ignore|pragma: no cover)(: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*|\[[a-z, -]+\])?")
    unexplained = set()
    for path in PYTHON:
        above = ""
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            found = exemption.search(line)
            if found and not (re.search("[A-Za-z]{2}", line[found.end() :]) or above.strip().startswith("#")):
                unexplained.add(f"{named(path)}:{number}")
            above = line
    assert unexplained == set()


def findings_of(rules: set[str]) -> set[tuple[str, str]]:
    """(rule, file) for each line that breaks one of them, wherever they are switched off by the settings."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero", "--output-format=json"]
    report = subprocess.run([*command, f"--select={','.join(rules)}", "."], cwd=ROOT, check=True, capture_output=True)
    return {
        (found["code"], Path(found["filename"]).relative_to(ROOT).as_posix()) for found in json.loads(report.stdout)
    }


def test_every_rule_that_is_switched_off_would_find_something() -> None:
    """An unused `noqa` is found by the linter itself, but not an exemption of a whole folder."""
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    off = {(rule, "**") for rule in lint["ignore"]}
    off |= {(rule, pattern) for pattern, rules in lint["per-file-ignores"].items() for rule in rules}
    findings = findings_of({rule for rule, _ in off})
    idle = {
        (rule, pattern)
        for rule, pattern in off
        if not any(found == rule and file.startswith(pattern.removesuffix("**")) for found, file in findings)
    }
    assert idle == set()


def test_files_name_no_registry_and_no_local_path() -> None:
    """Lock files and copied commands bring such names in; a clone elsewhere has neither."""
    stray = re.compile(
        "|".join(["pypi" + r"\.org", "python" + "hosted", "npmjs" + r"\.(org|com)", "/wo" + "rk/", "/ro" + "ot/"])
    )
    found = {
        named(path)
        for path in files_of(".py", ".md", ".toml", ".json", ".yml", ".yaml", ".sh", ".html", ".cfg", ".txt")
        if stray.search(path.read_text("utf-8"))
    }
    assert found == set()


def test_markdown_has_one_sentence_a_line() -> None:
    """So that a change shows what changed."""
    two = re.compile(r"[a-z)`]\. [A-Z]")
    for path in files_of(".md"):
        in_code = False
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            in_code ^= line.startswith("```")
            if not in_code and not line.startswith("|"):
                assert not two.search(line), f"{named(path)}:{number}"
