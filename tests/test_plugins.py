"""Plugin manifests: current, of one version, and within the published rules of each host.

`tests/plugins/run.sh` lets the hosts themselves judge. Cursor and Kiro have no command line for that: Cursor's rules
and those of Agent Plugins 1.0 are stated here as far as our files can break them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
import write_plugins
import yaml
from readings import plain_variables, secret_variables
from repository_files import ROOT

from kling_mcp import __version__

FILES = write_plugins.files()
MANIFESTS: dict[str, dict[str, Any]] = {
    path: json.loads(content) for path, content in FILES.items() if path.endswith(".json")
}
PLUGIN = write_plugins.FOLDER

_TEXT = {"type": "string", "minLength": 1}
_WORDS = {"type": "array", "items": _TEXT}
_NAME = {"type": "string", "pattern": r"^(?!.*(?:--|\.\.))[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$", "maxLength": 64}
_COMMON = {"version": _TEXT, "description": _TEXT, "license": _TEXT, "keywords": _WORDS, "homepage": _TEXT}


def closed(required: list[str], **properties: object) -> dict[str, object]:
    """An object with these members and no others."""
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


SERVER = closed(["type", "command"], type={"const": "stdio"}, command=_TEXT, args=_WORDS)
RULES = {
    f"{PLUGIN}/plugin.json": closed(
        ["$schema", "name"],
        **{"$schema": {"const": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json"}},
        **_COMMON,
        name=_NAME,
        repository=_TEXT,
        author=closed([], name=_TEXT, url=_TEXT),
    ),
    f"{PLUGIN}/mcp.json": closed(
        ["$schema", "mcpServers"],
        **{"$schema": {"const": "https://agent-plugins.org/schemas/1.0.0/mcp.schema.json"}},
        mcpServers={"type": "object", "additionalProperties": SERVER},
    ),
    f"{PLUGIN}/.cursor-plugin/plugin.json": closed(
        ["name"],
        **_COMMON,
        name=_NAME,
        repository=_TEXT,
        author=closed(["name"], name=_TEXT),
        displayName=_TEXT,
        logo=_TEXT,
        skills=_TEXT,
        mcpServers=_TEXT,
    ),
    ".cursor-plugin/marketplace.json": closed(
        ["name", "plugins"],
        name=_TEXT,
        owner=closed(["name"], name=_TEXT),
        metadata={"type": "object"},
        plugins={"type": "array", "items": closed(["name", "source"], name=_NAME, source=_TEXT, description=_TEXT)},
    ),
}


@pytest.mark.parametrize("path", FILES)
def test_plugin_file_is_what_the_tool_writes(path: str) -> None:
    assert (ROOT / path).read_bytes() == FILES[path], "run: python tools/write_plugins.py"


def test_plugin_folder_holds_only_what_the_tool_writes() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / PLUGIN).rglob("*") if path.is_file()}
    assert there == {path for path in FILES if path.startswith(f"{PLUGIN}/")}


def test_plugins_have_the_version_of_the_package() -> None:
    versions = {path: manifest["version"] for path, manifest in MANIFESTS.items() if "version" in manifest}
    assert set(versions.values()) == {__version__}
    assert len(versions) == 5


@pytest.mark.parametrize("path", RULES)
def test_manifest_keeps_the_published_rules(path: str) -> None:
    jsonschema.validate(MANIFESTS[path], RULES[path])


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path.endswith("marketplace.json")])
def test_marketplace_leads_to_the_plugin(path: str) -> None:
    [entry] = MANIFESTS[path]["plugins"]
    source = entry["source"]
    folder = ROOT / (source["path"] if isinstance(source, dict) else source)
    own = json.loads((folder / "plugin.json").read_text("utf-8"))
    assert entry["name"] == own["name"] == folder.name


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path.startswith(f"{PLUGIN}/")])
def test_paths_in_a_manifest_exist(path: str) -> None:
    manifest = MANIFESTS[path]
    values = [*manifest.values(), *manifest.get("interface", {}).values()]
    named = [value for value in values if isinstance(value, str) and re.match(r"\./|assets/", value)]
    assert [value for value in named if not (ROOT / PLUGIN / value).exists()] == []


def test_plugins_start_the_published_command() -> None:
    servers = [server for manifest in MANIFESTS.values() for server in _servers(manifest)]
    assert len(servers) == 4
    assert {(server["command"], *server["args"]) for server in servers} == {("uvx", "kling-mcp")}


def _servers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = manifest.get("mcpServers", {})
    return list(found.values()) if isinstance(found, dict) else []


def test_settings_of_plugins_exist_and_secrets_are_marked() -> None:
    claude, gemini = MANIFESTS[f"{PLUGIN}/.claude-plugin/plugin.json"], MANIFESTS["gemini-extension.json"]
    [server] = _servers(claude)
    asked = {name: claude["userConfig"][value[14:-1]] for name, value in server["env"].items()}
    assert {name for name, field in asked.items() if field.get("sensitive")} == set(asked) & secret_variables()
    told = {setting["envVar"]: setting["sensitive"] for setting in gemini["settings"]}
    assert {name for name, is_secret in told.items() if is_secret} == set(told) & secret_variables()
    [codex] = _servers(MANIFESTS[f"{PLUGIN}/.codex-plugin/mcp.json"])
    assert set(asked) | set(told) | set(codex["env_vars"]) <= plain_variables()


def test_starter_prompts_of_codex_are_short_enough_to_be_shown() -> None:
    starters = MANIFESTS[f"{PLUGIN}/.codex-plugin/plugin.json"]["interface"]["defaultPrompt"]
    assert len(starters) <= 3
    assert max(map(len, starters)) <= 128


def test_power_says_when_kiro_loads_it_and_holds_the_skill() -> None:
    _, head, body = FILES[f"{PLUGIN}/POWER.md"].decode().split("---\n", 2)
    fields = yaml.safe_load(head)
    assert set(fields) == {"name", "displayName", "description", "keywords", "author"}
    assert fields["keywords"]
    skill = (ROOT / write_plugins.SKILL).read_text("utf-8").split("---\n", 2)[2]
    assert body.endswith(skill.lstrip())
