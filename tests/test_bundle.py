"""The desktop bundle: its manifest agrees with settings, tools and prompts, and a blank form changes no setting.

tests/bundle packs it with the official tool and starts it.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import anyio
import pytest
import write_bundle
from readings import plain_variables, secret_variables
from repository_files import ROOT

from kling_mcp import __version__
from kling_mcp.cli import _build_parser
from kling_mcp.server.build import build_server
from kling_mcp.server.tools import NAMES
from kling_mcp.settings import Settings

MANIFEST = write_bundle.manifest()
FIELDS: dict[str, dict[str, Any]] = MANIFEST["user_config"]
CONFIG: dict[str, Any] = MANIFEST["server"]["mcp_config"]
PLACEHOLDER = re.compile(r"\$\{user_config\.([a-z_]+)\}")


def test_bundle_has_the_version_of_the_package() -> None:
    project = tomllib.loads(write_bundle.project_file())["project"]
    assert MANIFEST["version"] == project["version"] == __version__
    assert f"/v{__version__}/" in MANIFEST["documentation"]


def test_bundle_names_every_tool_and_prompt_with_its_arguments() -> None:
    assert [tool["name"] for tool in MANIFEST["tools"]] == list(NAMES)
    prompts = anyio.run(build_server(Settings(sandbox=True)).list_prompts)
    assert [prompt["name"] for prompt in MANIFEST["prompts"]] == [prompt.name for prompt in prompts]
    for prompt in MANIFEST["prompts"]:
        named = set(re.findall(r"\$\{arguments\.(\w+)\}", prompt["text"]))
        assert named <= set(prompt["arguments"])
        assert prompt["arguments"][0] in named


def test_fields_of_the_form_are_exactly_what_the_command_hands_on() -> None:
    handed_on = PLACEHOLDER.findall(json.dumps(CONFIG))
    assert sorted(handed_on) == sorted(FIELDS)
    assert set(CONFIG["env"]) <= plain_variables()


@pytest.mark.parametrize("key", FIELDS)
def test_field_of_the_form_may_be_left_blank(key: str) -> None:
    """Hosts hand on a field without a default as its placeholder."""
    field = FIELDS[key]
    assert field["required"] is False
    empty: object = [] if field.get("multiple") else False if field["type"] == "boolean" else ""
    assert field["default"] == empty
    assert field["title"]
    assert field["description"]


def test_form_hides_exactly_the_secrets() -> None:
    hidden = {key for key, field in FIELDS.items() if field.get("sensitive")}
    names = {PLACEHOLDER.findall(value)[0]: name for name, value in CONFIG["env"].items()}
    assert {names[key] for key in hidden} == secret_variables() & set(CONFIG["env"])


@pytest.mark.parametrize("blank", ["default", "placeholder"])
def test_blank_form_changes_no_setting(blank: str) -> None:
    environ = dict(CONFIG["env"])
    if blank == "default":
        environ = {
            name: json.dumps(FIELDS[PLACEHOLDER.findall(value)[0]]["default"]).strip('"')
            for name, value in environ.items()
        }
    assert Settings.from_env(environ, tolerant=True) == Settings.from_env({})


def test_command_of_the_bundle_is_one_that_serve_understands() -> None:
    uv, script = CONFIG["args"].index("--project"), CONFIG["args"].index("${__dirname}/server.py")
    assert (CONFIG["command"], CONFIG["args"][0], uv < script) == ("uv", "run", True)
    options = _build_parser().parse_args(["serve", *CONFIG["args"][script + 1 :]])
    assert options.media_dir == ["${user_config.media_dirs}"]


def test_bundle_holds_the_package_and_what_starts_it(tmp_path: Path) -> None:
    write_bundle.write(tmp_path / "bundle")
    names = {path.relative_to(tmp_path / "bundle").as_posix() for path in (tmp_path / "bundle").rglob("*")}
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "kling_mcp").rglob("*.py")}
    assert package | {"manifest.json", "pyproject.toml", MANIFEST["server"]["entry_point"], MANIFEST["icon"]} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".", "tests"))]


def test_folder_with_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(SystemExit, match="is not empty"):
        write_bundle.write(tmp_path)


def test_page_of_the_bundle_names_every_field() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    missing = [name for name in write_bundle.FIELDS if f"`{name}`" not in page and name not in write_bundle.REPEATED]
    assert missing == []
    assert all(f"`serve {option}`" in page for option in write_bundle.REPEATED.values())
