"""No reference leads nowhere: links and paths lead to files, and names in docstrings and comments to code.

Names change more often than what is said about them, so a name in `code marks` must be one that is there today.
"""

from __future__ import annotations

import ast
import builtins
import functools
import io
import keyword
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from facts import FACTS, anchor_of
from repository_files import ROOT, all_files, files_of, named, nodes_of, tree_of

MARKDOWN = list(files_of(".md"))
PYTHON = list(files_of(".py"))
SCRIPTS = [*files_of(".sh", ".yml", ".yaml", ".toml", ".mjs"), ROOT / "Makefile", ROOT / "Dockerfile", ROOT / ".ci/run"]
PACKAGE = ROOT / "kling_mcp"

_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"(?<![\w./-])(?:kling_mcp|docs|tests|tools|benchmarks|examples)/[\w./*<>-]*\w")
_MARKED = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(r"[\w.-]*(?:/[\w.-]+)*\w\.(?:py|md|toml|sh|json|yml|yaml|html|mjs)")
_FOLDER = re.compile(r"(?:[a-z]\w*/)+")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\(\))?")
_ENTRY = re.compile(r"^(\w+(?:, \w+)*):(?: |$)")

# In code marks, and yet no name of this repository, each with its reason.
OTHER_WORDS = {
    "kling_mcp": "this package",
    "kling-mcp": "the command",
    "mcp": "the SDK",
    "tests": "the folder",
    "Authorization": "a header",
    "Accept": "a header",
    "Date": "a header",
    "Host": "a header",
    "Origin": "a header",
    "_meta": "a field of MCP",
    "api_key": "a kind of credential",
    "key_pair": "a kind of credential",
    "sandbox": "a kind of credential",
    "woke": "an outcome of a callback",
    "repeated": "an outcome of a callback",
    "max_completion_tokens": "a parameter of model endpoints",
    "standardwebhooks": "a package that is not used",
    "unicode61": "a tokenizer of SQLite",
    "trigram": "a tokenizer of SQLite",
    "uvx": "a command of uv",
}
OTHER_ERRORS = {"InvalidRequestState": "of the SDK"}
# Pages that name the configuration files of clients.
NAMING_OTHER_FILES = {"README.md", "clients.md"}
# Paths that need not exist, each with its reason.
OTHER_PATHS = {
    "benchmarks/.environments": "made by the benchmarks",
    "tests/released": "made by the first release",
    "tools/list": "a method of MCP",
}


class Line(NamedTuple):
    """One line of prose and where it is."""

    path: Path
    number: int
    text: str

    @property
    def place(self) -> str:
        """As editors open it."""
        return f"{named(self.path)}:{self.number}"


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def documented(path: Path) -> tuple[tuple[Documented, ast.Constant], ...]:
    """Everything that has a docstring, with the docstring."""
    found = []
    for node in nodes_of(path):
        if isinstance(node, Documented) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            assert isinstance(first.value, ast.Constant)
            found.append((node, first.value))
    return tuple(found)


def prose_of(path: Path) -> Iterator[Line]:
    """The comments and docstrings of a Python file."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield Line(path, token.start[0], token.string)
    for _, docstring in documented(path):
        for number, text in enumerate(str(docstring.value).splitlines(), start=docstring.lineno):
            yield Line(path, number, text)


def lines_of(path: Path) -> Iterator[Line]:
    """All lines of any file."""
    for number, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
        yield Line(path, number, text)


@functools.cache
def prose() -> tuple[Line, ...]:
    """Of all files: read by the first test that needs it, since every process that runs tests loads this module."""
    return tuple(line for path in PYTHON for line in prose_of(path))


# --- links and paths


@functools.cache
def anchors_of(path: Path) -> frozenset[str]:
    """What a link to a page may name behind `#`."""
    return frozenset(map(anchor_of, _HEADING.findall(_FENCE.sub("", path.read_text("utf-8")))))


@pytest.mark.parametrize("path", MARKDOWN, ids=named)
def test_link_leads_to_a_file_and_a_heading_that_exist(path: Path) -> None:
    lost = []
    for link in _LINK.findall(_FENCE.sub("", path.read_text("utf-8"))):
        target, _, anchor = link.partition("#")
        if re.match(r"https?:|mailto:", link):
            continue
        page = (path.parent / target).resolve() if target else path
        if not page.exists() or (anchor and anchor not in anchors_of(page)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("path", MARKDOWN, ids=named)
def test_headings_of_a_page_have_anchors_of_their_own(path: Path) -> None:
    headings = _HEADING.findall(_FENCE.sub("", path.read_text("utf-8")))
    assert len(headings) == len(set(map(anchor_of, headings)))


def test_section_of_every_fact_can_be_linked_to() -> None:
    assert {fact.section for fact in FACTS} <= anchors_of(ROOT / "docs" / "kling-api.md")


def leads_somewhere(path: str) -> bool:
    """Whether a path from the root exists; a pattern must match something, and `<...>` is for the reader to fill in."""
    if any(path.startswith(other) for other in OTHER_PATHS):
        return True
    pattern = re.sub(r"<[^>]*>?", "*", path)
    return any(ROOT.glob(pattern)) or any(ROOT.glob(f"{pattern}.py"))


def test_path_in_prose_leads_to_something_that_exists() -> None:
    lines = [*prose(), *(line for path in [*MARKDOWN, *SCRIPTS] for line in lines_of(path))]
    lost = [f"{line.place} {path}" for line in lines for path in _PATH.findall(line.text) if not leads_somewhere(path)]
    assert lost == []


@functools.cache
def all_paths() -> tuple[str, ...]:
    """Every file and folder, for the look-up of the end of a path."""
    hidden = (".agents", ".ci", ".claude-plugin", ".codex-plugin", ".cursor-plugin", ".github")
    return tuple(f"/{named(path)}" for path in all_files(*hidden))


def is_end_of_a_path(text: str) -> bool:
    """Whether some file's path ends with this, or, where it ends with a slash, holds it."""
    return any(f"/{text}" in path if text.endswith("/") else path.endswith(f"/{text}") for path in all_paths())


def test_marked_file_name_is_that_of_a_file() -> None:
    pages = [path for path in MARKDOWN if path.name not in NAMING_OTHER_FILES]
    lines = [*prose(), *(line for path in pages for line in lines_of(path))]
    lost = [
        f"{line.place} {text}"
        for line in lines
        for text in _MARKED.findall(line.text)
        if (_FILE.fullmatch(text) or _FOLDER.fullmatch(text)) and not is_end_of_a_path(text)
    ]
    assert lost == []


def test_overview_of_a_package_names_files_that_lie_in_it() -> None:
    overview = re.compile(r"^ {4}(\w+\.py) ")
    lost = [
        f"{line.place} {name}"
        for line in prose()
        for name in overview.findall(line.text)
        if line.path.name == "__init__.py" and not (line.path.parent / name).exists()
    ]
    assert lost == []


# --- names


@functools.cache
def names_in(path: Path) -> frozenset[str]:
    """Every name that the code of a file uses, and the words of its texts; not those of its docstrings."""
    if path.suffix != ".py":
        return frozenset()
    docstrings = {id(docstring) for _, docstring in documented(path)}
    names: set[str] = set()
    for node in nodes_of(path):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name) | ast.ImportFrom(module=str(name)):
                names.update(name.split("."))
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                names.update(re.findall(r"\w+", text))
            case _:
                pass
    return frozenset(names)


@functools.cache
def defined_in(path: Path) -> frozenset[str]:
    """Functions, classes and constants that a file defines."""
    definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in nodes_of(path) if isinstance(node, definition)}
    return frozenset(names | {name for name in stored_in(tree_of(path).body) if not name.islower()})


def stored_in(body: list[ast.stmt]) -> set[str]:
    """The names that something is assigned to."""
    names = (node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


@functools.cache
def definitions() -> dict[str, frozenset[Path]]:
    """Everything that is defined anywhere, with the files that define it."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in PYTHON:
        for name in defined_in(path):
            found[name].add(path)
    return {name: frozenset(paths) for name, paths in found.items()}


@functools.cache
def modules() -> dict[str, frozenset[Path]]:
    """The files that a module or package may be, by its short name."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in PYTHON:
        found[path.parent.name if path.stem == "__init__" else path.stem].add(path)
    return {name: frozenset(paths) for name, paths in found.items()}


@functools.cache
def words_of_kling() -> frozenset[str]:
    """The fields and words of Kling's API, as the page of facts writes them."""
    marked = _MARKED.findall((ROOT / "docs" / "kling-api.md").read_text("utf-8"))
    return frozenset(word for text in marked for word in re.findall(r"\w+", text))


def is_known(name: str, path: Path) -> bool:
    """Whether a word in code marks, in this file, is a name that exists; the package knows no tests."""
    in_package = PACKAGE in path.parents
    return (
        name in names_in(path)
        or any(not in_package or PACKAGE in file.parents for file in definitions().get(name, ()))
        or any(not in_package or PACKAGE in file.parents for file in modules().get(name, ()))
        or name in words_of_kling()
        or name in OTHER_WORDS
        or hasattr(builtins, name)
        or keyword.iskeyword(name)
    )


@functools.cache
def owned_by(owner: str) -> frozenset[str]:
    """What may come after `owner.`, where that is a folder of the package, a module or a class."""
    folders = [folder for folder in PACKAGE.rglob(owner) if folder.is_dir()]
    if folders:
        below = [path for folder in folders for path in folder.rglob("*.py")]
        return frozenset(name for path in below for name in [path.stem, path.parent.name, *defined_in(path)])
    if owner in modules():
        return frozenset(name for path in modules()[owner] for name in defined_in(path))
    return frozenset(name for path in definitions().get(owner, ()) for name in names_in(path))


def is_reference(dotted: str, path: Path) -> bool:
    """Whether a name of a folder, a module or a class, or within a file one of anything, exists."""
    first, *rest = dotted.removeprefix("kling_mcp.").removesuffix("()").split(".")
    if first in sys.stdlib_module_names:
        return True
    pairs = zip([first, *rest], rest, strict=False)
    return is_known(first, path) and all(
        name in owned_by(owner) or {owner, name} <= names_in(path) for owner, name in pairs
    )


@pytest.mark.parametrize(
    ("text", "exists"),
    [
        ("media.source", True),
        ("kling_mcp.media.source", True),
        ("server.build.build_server", True),
        ("server.build.no_such_function", False),
        ("media.no_such_module", False),
        ("KlingClient.create_element", True),
        ("KlingClient.no_such_method", False),
        ("build_server", True),
        ("no_such_function()", False),
        ("NoSuchClass", False),
        ("time.monotonic", True),
        ("test_references", False),  # the package knows no tests
    ],
)
def test_reference_is_found_exactly_where_it_exists(text: str, exists: bool) -> None:
    assert is_reference(text, PACKAGE / "sanitize.py") is exists


def test_name_in_code_marks_is_one_of_the_code() -> None:
    lost = [
        f"{line.place} `{text}`"
        for line in prose()
        for text in _MARKED.findall(line.text)
        if _NAME.fullmatch(text) and not _FILE.fullmatch(text) and not is_reference(text, line.path)
    ]
    assert lost == []


@pytest.mark.parametrize("path", [path for path in MARKDOWN if path.name != "kling-api.md"], ids=named)
def test_dotted_name_in_a_page_is_one_of_the_package(path: Path) -> None:
    rooms = {folder.name for folder in PACKAGE.iterdir() if folder.is_dir()}
    lost = [
        text
        for text in _MARKED.findall(_FENCE.sub("", path.read_text("utf-8")))
        if _NAME.fullmatch(text) and not _FILE.fullmatch(text)
        if text.split(".")[0] in rooms and not is_reference(text, path)
    ]
    assert lost == []


def test_marked_fact_id_is_that_of_a_fact() -> None:
    """Also without `fact:` before it; nothing else in code marks has hyphens."""
    known = {fact.id for fact in FACTS} | OTHER_WORDS.keys()
    lost = [
        f"{line.place} `{text}`"
        for line in prose()
        for text in _MARKED.findall(line.text)
        if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", text) and text not in known
    ]
    assert lost == []


# --- what a docstring says of arguments, attributes and errors


def entries_of(docstring: str, heading: str) -> list[str]:
    """The names below `Args:` and the like."""
    names: list[str] = []
    inside = False
    for line in docstring.splitlines():
        if line.strip() == f"{heading}:":
            inside, depth = True, len(line) - len(line.lstrip())
        elif inside and line.strip():
            indent = len(line) - len(line.lstrip())
            inside = indent > depth
            entry = _ENTRY.match(line.strip()) if indent == depth + 4 else None
            names += entry[1].split(", ") if entry else []
    return names


def parameters_of(node: Documented) -> set[str]:
    """What a function, or the `__init__` or the fields of a class, takes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
    inits = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    return stored_in(node.body).union(*map(parameters_of, inits))


def attributes_of(node: Documented) -> set[str]:
    """Fields, properties, and what methods assign to `self`."""
    assigned = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return parameters_of(node) | assigned | {part.name for part in node.body if isinstance(part, ast.FunctionDef)}


@pytest.mark.parametrize(("heading", "known"), [("Args", parameters_of), ("Attributes", attributes_of)])
def test_docstring_describes_what_is_there(heading: str, known: Callable[[Documented], set[str]]) -> None:
    lost = [
        f"{named(path)}:{docstring.lineno} {name}"
        for path in PYTHON
        for node, docstring in documented(path)
        for name in entries_of(str(docstring.value), heading)
        if name not in known(node)
    ]
    assert lost == []


def test_docstring_names_errors_that_exist() -> None:
    lost = [
        f"{named(path)}:{docstring.lineno} {name}"
        for path in PYTHON
        for _, docstring in documented(path)
        for name in entries_of(str(docstring.value), "Raises")
        if not (name in definitions() or hasattr(builtins, name) or name in names_in(path) or name in OTHER_ERRORS)
    ]
    assert lost == []
