"""What is published: one version everywhere, a wheel with what it needs, and a valid `server.json`.

The registry's schema is not in this repository; `SERVER_SCHEMA` states the rules of 2025-12-11 that our file can
break.
"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import write_plugins
from PIL import Image
from readings import plain_variables, secret_variables

from kling_mcp import __version__
from kling_mcp.server.identity import ICON, WEBSITE
from kling_mcp.settings import Settings

ROOT = Path(__file__).parent.parent
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text("utf-8"))
[PACKAGE] = SERVER["packages"]
VARIABLES: list[dict[str, Any]] = PACKAGE["environmentVariables"]
INFO = f"kling_mcp-{__version__}.dist-info"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

_TEXT = {"type": "string", "minLength": 1}
_INPUT = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": _TEXT,
        "description": _TEXT,
        "default": {"type": "string"},  # text, also for numbers and booleans
        "placeholder": _TEXT,
        "choices": {"type": "array", "items": _TEXT},
        "format": {"enum": ["string", "number", "boolean", "filepath"]},
        "isRequired": {"type": "boolean"},
        "isSecret": {"type": "boolean"},
    },
}
SERVER_SCHEMA = {
    "type": "object",
    "required": ["$schema", "name", "description", "version", "repository", "packages"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
        "name": {
            "type": "string",
            "minLength": 3,
            "maxLength": 200,
            "pattern": r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$",
        },
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "minLength": 1, "maxLength": 100},
        "version": {"type": "string", "maxLength": 255, "pattern": r"^\d+\.\d+\.\d+"},
        "repository": {
            "type": "object",
            "required": ["url", "source"],
            "additionalProperties": False,
            "properties": {"url": {"type": "string", "format": "uri"}, "source": {"const": "github"}},
        },
        "websiteUrl": {"type": "string", "format": "uri"},
        "icons": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["src"],
                "additionalProperties": False,
                "properties": {
                    # https only, and no data: URI.
                    "src": {"type": "string", "pattern": "^https://", "maxLength": 255},
                    "mimeType": {"enum": ["image/png", "image/jpeg", "image/jpg", "image/svg+xml", "image/webp"]},
                    "sizes": {"type": "array", "items": {"type": "string", "pattern": r"^(\d+x\d+|any)$"}},
                    "theme": {"enum": ["light", "dark"]},
                },
            },
        },
        "packages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["registryType", "identifier", "version", "transport"],
                "additionalProperties": False,
                "properties": {
                    "registryType": {"enum": ["pypi", "npm", "oci", "nuget", "cargo", "mcpb"]},
                    "identifier": _TEXT,
                    "version": {"type": "string", "minLength": 1, "not": {"const": "latest"}},
                    "runtimeHint": _TEXT,
                    "transport": {
                        "type": "object",
                        "properties": {"type": {"const": "stdio"}},
                        "required": ["type"],
                    },
                    "environmentVariables": {"type": "array", "items": _INPUT},
                },
            },
        },
    },
}


def test_server_json_keeps_the_rules_of_the_registry() -> None:
    jsonschema.validate(SERVER, SERVER_SCHEMA)


def test_version_is_the_same_everywhere() -> None:
    assert SERVER["version"] == PACKAGE["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_registry_finds_its_mark_in_the_readme() -> None:
    """The registry reads the package's README, which is PyPI's description, and looks for the exact name."""
    assert f"<!-- mcp-name: {SERVER['name']} -->" in (ROOT / "README.md").read_text("utf-8")
    assert PACKAGE["identifier"] == PROJECT["name"]


def test_repository_addresses_agree() -> None:
    assert SERVER["repository"]["url"] == PROJECT["urls"]["Homepage"]
    assert f"git clone {SERVER['repository']['url']}" in (ROOT / "README.md").read_text("utf-8")


def test_icon_and_website_are_the_same_wherever_they_are_named() -> None:
    shown = ICON.model_dump(by_alias=True, exclude_none=True)
    assert SERVER["icons"] == [shown]
    assert SERVER["websiteUrl"] == WEBSITE == PROJECT["urls"]["Homepage"]


def test_icon_is_the_picture_that_its_address_promises() -> None:
    path = ROOT / ICON.src.partition("/main/")[2]
    drawn: Image.Image = runpy.run_path(str(ROOT / "tools" / "draw_icon.py"))["draw"]()
    with Image.open(path) as image:
        assert ICON.sizes == [f"{image.width}x{image.height}"]
        assert image.format == "PNG"
        assert image.convert("RGBA").tobytes() == drawn.convert("RGBA").tobytes(), "run: python tools/draw_icon.py"
    assert path.stat().st_size < 10_000


def test_server_json_names_only_variables_that_are_read() -> None:
    names = [variable["name"] for variable in VARIABLES]
    assert len(names) == len(set(names))
    assert set(names) <= plain_variables()


def test_server_json_marks_exactly_the_secrets() -> None:
    """Of those it names: it describes a server over stdio, and others matter to hosts alone."""
    named = {variable["name"] for variable in VARIABLES}
    assert {variable["name"] for variable in VARIABLES if variable.get("isSecret")} == named & secret_variables()


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable["name"])
def test_values_that_a_client_may_fill_in_are_accepted(variable: dict[str, Any]) -> None:
    """Clients write booleans as true and false."""
    name, default = variable["name"], variable.get("default", "")
    assert Settings.from_env({name: default}) == Settings.from_env({})
    offered = variable.get("choices", ["true", "false"] if variable.get("format") == "boolean" else [])
    effects = {Settings.from_env({name: value}) for value in offered}
    assert len(effects) == len(offered), "each choice does something else"


# --- the files


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel, open."""
    [path] = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"kling_mcp/py.typed", "kling_mcp/demo/pictures/pip-front.jpg", f"{INFO}/licenses/LICENSE"} <= names
    assert {name.partition("/")[0] for name in names} == {"kling_mcp", INFO}
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kling_mcp").rglob("*.py")}
    assert here <= names


def test_wheel_says_how_to_be_started_and_where_it_comes_from(wheel: zipfile.ZipFile) -> None:
    assert "kling-mcp = kling_mcp.cli:main" in wheel.read(f"{INFO}/entry_points.txt").decode()
    metadata = wheel.read(f"{INFO}/METADATA").decode()
    assert f"mcp-name: {SERVER['name']}" in metadata
    assert re.search(r"^License-Expression: MIT$", metadata, re.MULTILINE)


def test_links_of_the_packages_page_lead_to_the_repository(wheel: zipfile.ZipFile) -> None:
    """The page is shown elsewhere, where the repository's files are not beside it."""
    links = re.findall(r"\]\(([^)]+)\)", wheel.read(f"{INFO}/METADATA").decode())
    assert f"{PROJECT['urls']['Homepage']}/blob/v{__version__}/docs/hosting.md" in links
    assert [link for link in links if not link.startswith("https://")] == []


def test_source_distribution_can_be_tested(built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "Makefile", "server.json", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= names
    assert {"tests/test_packaging.py", "examples/lost_reply.py", "tools/write_readme.py", ".ci/run"} <= names
    assert {"skills/kling/SKILL.md", *write_plugins.files()} <= names
