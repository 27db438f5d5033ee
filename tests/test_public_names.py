"""`import kling_mcp` gives the library: every public name, no MCP, and next to nothing until it is used."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import kling_mcp
from kling_mcp import errors


def modules_after(code: str) -> set[str]:
    """The modules that a new interpreter has loaded after `code`."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_after("import kling_mcp")
    assert not loaded & {"mcp", "httpx", "pydantic", "PIL", "anyio", "kling_mcp.runtime"}


def test_the_whole_library_never_loads_mcp() -> None:
    loaded = modules_after("from kling_mcp import *")
    assert "kling_mcp.runtime" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in {"mcp", "mcp_types"}}


@pytest.mark.parametrize("name", kling_mcp.__all__)
def test_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(kling_mcp, name) is not None
    assert name in dir(kling_mcp)


def test_type_checkers_see_the_same_names() -> None:
    """The imports for type checkers, `__all__` and what loads on first use are three lists of one thing."""
    tree = ast.parse(inspect.getsource(kling_mcp))
    imported = {
        (str(node.module), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("kling_mcp.")
        for alias in node.names
    }
    assert {name for _, name in imported} == set(kling_mcp.__all__)
    for module, name in imported:
        assert getattr(kling_mcp, name) is getattr(importlib.import_module(module), name)


def test_every_public_error_is_exported() -> None:
    ours = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.KlingError) and not name.startswith("_")
    }
    assert ours <= set(kling_mcp.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'KlingClinet'"):
        _ = kling_mcp.KlingClinet  # type: ignore[attr-defined] # misspelt on purpose
