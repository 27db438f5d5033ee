"""What no linter sees: places in the package that one system treats otherwise. See `kling_mcp/ruff.toml`, too."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository_files import ROOT, files_of, named, nodes_of, tree_of

MODULES = {named(path): path for path in files_of(".py", below="kling_mcp")}

# Windows' event loop has none of them.
LOOP_METHODS = {"add_reader", "add_writer", "remove_reader", "add_signal_handler", "remove_signal_handler"}
# Each has its reason; a file that needs it no more must leave the list.
# What the settings of the whole repository ban.
BANNED_EVERYWHERE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"][
    "flake8-tidy-imports"
]["banned-api"]
OPENS_WITHOUT_BINARY = {
    "kling_mcp/cli.py": "the null device",
    "kling_mcp/server/stdin.py": "the null device",
    "kling_mcp/store/sqlite_file.py": "closed at once; SQLite opens it",
    "kling_mcp/simulator/world_file.py": "the same",
    "kling_mcp/media/beneath.py": "flags of its callers, and folders",
    "kling_mcp/results/folder.py": "folders",
}
FOLDERS_OF_ONE_SYSTEM = {
    "kling_mcp/concurrency/clock.py": "the boot id; none elsewhere",
    "kling_mcp/store/process_owner.py": "the pid namespace; none elsewhere",
    "kling_mcp/server/launchers.py": "launchers; elsewhere the parent stands for the client",
    "kling_mcp/api/certificates.py": "where systems keep certificates; Windows and macOS have a store",
    "kling_mcp/media/foreign_paths.py": "paths of chats, which are recognised and never opened",
}
SENDS_SIGNALS = {"kling_mcp/store/process_owner.py": "whether a process is gone, where that has no effect"}
REPLACES_FILES = {
    "kling_mcp/results/folder.py": "inside replace_file",
    "kling_mcp/thumbnails/cache.py": "inside replace_file",
    "kling_mcp/store/state_mark.py": "inside replace_file",
    "kling_mcp/store/sqlite.py": "inside replace_file, and its journal, which only it opens",
}


def calls(name: str) -> Iterator[ast.Call]:
    for node in nodes_of(MODULES[name]):
        if isinstance(node, ast.Call):
            yield node


def attribute_of(call: ast.Call) -> str:
    """`os.open` for os.open(...), `.replace` for a method of something else, the name for a plain call."""
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        return f"{owner.id if isinstance(owner, ast.Name) and owner.id == 'os' else ''}.{call.func.attr}"
    return call.func.id if isinstance(call.func, ast.Name) else ""


def flags_of(module: ast.Module) -> set[str]:
    """The constants of a module whose flags hold O_BINARY."""
    return {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign) and "O_BINARY" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_modules_ask_event_loops_for_what_all_of_them_have() -> None:
    found = {
        (name, node.attr) for name in MODULES for node in nodes_of(MODULES[name]) if isinstance(node, ast.Attribute)
    }
    assert not {(name, attribute) for name, attribute in found if attribute in LOOP_METHODS}


def test_descriptors_are_opened_as_binary() -> None:
    """Otherwise Windows changes the ends of lines in them."""
    without = {
        name
        for name in MODULES
        for call in calls(name)
        if attribute_of(call) == "os.open"
        if not any(flags in ast.unparse(call) for flags in flags_of(tree_of(MODULES[name])))
    }
    assert without == set(OPENS_WITHOUT_BINARY)


def test_text_files_name_their_encoding() -> None:
    """Otherwise it is that of the code page."""
    silent = set()
    for name in MODULES:
        for call in calls(name):
            given = {keyword.arg for keyword in call.keywords}
            method = attribute_of(call).removeprefix(".")
            if (
                method in {"read_text", "write_text"}
                and not given
                and len(call.args) < (1 if method == "read_text" else 2)
            ):
                silent.add(f"{name}:{call.lineno}")
            binary = any(isinstance(word, ast.Constant) and "b" in str(word.value) for word in call.args)
            if method == "open" and isinstance(call.func, ast.Name) and not binary and "encoding" not in given:
                silent.add(f"{name}:{call.lineno}")
            if method == "TextIOWrapper" and "encoding" not in given:
                silent.add(f"{name}:{call.lineno}")
    assert silent == set()


def test_folders_of_one_system_are_named_only_where_others_are_thought_of() -> None:
    found = {
        name
        for name in MODULES
        for node in nodes_of(MODULES[name])
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value.startswith(("/proc/", "/dev/", "/tmp", "/etc/", "/usr/", "/var/", "/sys/"))  # noqa: S108 - looked for
        if not name.startswith("kling_mcp/simulator/")
    }
    assert found == set(FOLDERS_OF_ONE_SYSTEM)


def test_signals_are_sent_only_where_that_ends_no_process() -> None:
    """On Windows `os.kill` ends a process whatever the signal."""
    assert {name for name in MODULES for call in calls(name) if attribute_of(call) == "os.kill"} == set(SENDS_SIGNALS)


def test_files_are_replaced_with_patience() -> None:
    """A method `replace` with one argument is that of a path; texts have two."""
    found = {
        name
        for name in MODULES
        for call in calls(name)
        if attribute_of(call) in {"os.replace", "os.rename", "os.renames", ".rename"}
        or (attribute_of(call) == ".replace" and len(call.args) == 1 and not call.keywords)
    }
    assert found == set(REPLACES_FILES)
    assert all("replace_file" in ast.unparse(tree_of(MODULES[name])) for name in found)


def test_files_of_tests_can_be_loaded_on_every_system() -> None:
    """A test that needs POSIX is left out by its mark, which is read after the file was loaded."""
    lacking = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty"}
    loaded = {
        (named(path), name.name)
        for path in files_of(".py", below="tests")
        for node in tree_of(path).body
        if isinstance(node, ast.Import)
        for name in node.names
        if name.name in lacking
    }
    assert loaded == {("tests/results/saving.py", "resource")}, "a program that only such tests start"


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "from pwd import getpwuid",
        "import os\n\nUSER = os.getuid()",
        "import os\n\nFLAGS = os.O_NOFOLLOW",
        "from signal import SIGHUP",
        *(f"import {name}" for name in BANNED_EVERYWHERE),
    ],
)
def test_linter_refuses_what_one_system_lacks(code: str) -> None:
    """The rule of the package's own settings is in force, and so is that of the whole repository."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise"]
    words = ["--stdin-filename", str(Path("kling_mcp", "new.py")), "-"]
    done = subprocess.run(
        [*command, *words], input=f'"""A."""\n\n{code}\n', text=True, capture_output=True, cwd=ROOT, check=False
    )
    assert "TID251" in done.stdout
