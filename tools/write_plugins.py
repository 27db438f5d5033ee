"""Writes the plugin manifests of each host, and the copy of the skill that plugins carry.

    python tools/write_plugins.py [FOLDER]      into the repository, or elsewhere

Words and settings come from server.json, pyproject.toml and tools/write_bundle.py; the skill from skills/kling.
tests/test_plugins.py compares, so a manifest that is not current fails the build. docs/plugins.md explains each file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from write_bundle import FIELDS, PROJECT, SERVER, VARIABLES, field_of

from kling_mcp._version import __version__

ROOT = Path(__file__).parent.parent
NAME = "kling"
FOLDER = f"plugins/{NAME}"
SKILL = f"skills/{NAME}/SKILL.md"
HOMEPAGE: str = PROJECT["urls"]["Homepage"]
AUTHOR = {"name": PROJECT["authors"][0]["name"], "url": HOMEPAGE}
AGENT_PLUGINS = "https://agent-plugins.org/schemas/1.0.0"
COMMAND: dict[str, Any] = {"command": "uvx", "args": [PROJECT["name"]]}
# A first start downloads the server, and some hosts give up after ten seconds.
FIRST_START_SECONDS = 120
# What a person is asked for when the plugin is installed: few, since each is a question. The rest are variables.
ASKED = ("KLING_API_KEY", "KLING_REGION", "KLING_MCP_SANDBOX", "KLING_MCP_SPENDING", "KLING_MCP_OUTPUT_DIR")
STARTERS = (
    "Make a character from my two pictures.",
    "What would a five second clip of Mia cost?",
    "Turn this script into a production sheet.",
)
KEYWORDS = [*PROJECT["keywords"], "characters", "storyboard", "film"]

POWER = f"""\
---
name: "{NAME}"
displayName: "{SERVER["title"]}"
description: "{SERVER["description"]}"
keywords: {json.dumps(KEYWORDS)}
author: "{AUTHOR["name"]}"
---

# Onboarding

1. `uvx` must be there (`uvx --version`); it comes with uv.
2. The server needs `KLING_API_KEY` in the environment of Kiro, or in `env` of `{NAME}` in Kiro's MCP configuration.
   The person sets it; never ask for it in the chat.
   `KLING_MCP_SANDBOX` set to `1` uses a simulated Kling instead.
3. Call `check_setup`; it says what is missing.

"""


def identity() -> dict[str, Any]:
    """What every manifest says in the same words."""
    return {
        "name": NAME,
        "version": __version__,
        "description": SERVER["description"],
        "author": AUTHOR,
        "homepage": HOMEPAGE,
        "repository": HOMEPAGE,
        "license": PROJECT["license"],
        "keywords": KEYWORDS,
    }


def claude() -> dict[str, Any]:
    """Claude Code asks for the settings and keeps the key in the system's keychain."""
    env = {name: f"${{user_config.{FIELDS[name].key}}}" for name in ASKED}
    return {
        **identity(),
        "displayName": SERVER["title"],
        "userConfig": {FIELDS[name].key: field_of(name) for name in ASKED},
        "mcpServers": {NAME: {**COMMAND, "env": env}},
    }


def codex() -> dict[str, Any]:
    """Codex: the server has a file of its own, since Codex hands on only the variables that it names."""
    return {
        **identity(),
        "skills": "./skills/",
        "mcpServers": "./.codex-plugin/mcp.json",
        "interface": {
            "displayName": SERVER["title"],
            "shortDescription": "Characters, videos and pictures with Kling AI",
            "longDescription": SERVER["description"],
            "developerName": AUTHOR["name"],
            "category": "Creativity",
            "capabilities": ["Interactive", "Read", "Write"],
            "websiteURL": HOMEPAGE,
            "defaultPrompt": list(STARTERS),
            "brandColor": "#2eaaa3",
            "composerIcon": "./assets/icon.png",
            "logo": "./assets/icon.png",
        },
    }


def codex_server() -> dict[str, Any]:
    """The server as Codex starts it."""
    return {"mcpServers": {NAME: {**COMMAND, "env_vars": list(VARIABLES), "startup_timeout_sec": FIRST_START_SECONDS}}}


def cursor() -> dict[str, Any]:
    """Cursor: its author has no address."""
    return {
        **identity(),
        "displayName": SERVER["title"],
        "author": {"name": AUTHOR["name"]},
        "logo": "assets/icon.png",
        "skills": "./skills/",
        "mcpServers": "./mcp.json",
    }


def gemini() -> dict[str, Any]:
    """Gemini reads it at the root of a repository, with `skills/` beside it."""
    settings = [
        {
            "name": FIELDS[name].title,
            "description": field_of(name)["description"],
            "envVar": name,
            "sensitive": bool(VARIABLES[name].get("isSecret")),
        }
        for name in ASKED
    ]
    return {
        "name": NAME,
        "version": __version__,
        "description": SERVER["description"],
        "mcpServers": {NAME: COMMAND},
        "settings": settings,
    }


def claude_marketplace() -> dict[str, Any]:
    entry = {"name": NAME, "source": f"./{FOLDER}", "description": SERVER["description"], "category": "design"}
    return {
        "name": PROJECT["name"],
        "owner": {"name": AUTHOR["name"]},
        "description": SERVER["description"],
        "plugins": [entry],
    }


def codex_marketplace() -> dict[str, Any]:
    entry = {
        "name": NAME,
        "source": {"source": "local", "path": f"./{FOLDER}"},
        "policy": {"installation": "AVAILABLE", "authentication": "ON_USE"},
        "category": "Creativity",
    }
    return {"name": PROJECT["name"], "interface": {"displayName": SERVER["title"]}, "plugins": [entry]}


def cursor_marketplace() -> dict[str, Any]:
    entry = {"name": NAME, "source": FOLDER, "description": SERVER["description"]}
    return {
        "name": PROJECT["name"],
        "owner": {"name": AUTHOR["name"]},
        "metadata": {"description": SERVER["description"]},
        "plugins": [entry],
    }


def files() -> dict[str, bytes]:
    """Every file, by its path from the root of the repository."""
    skill = (ROOT / SKILL).read_text("utf-8")
    portable = {"$schema": f"{AGENT_PLUGINS}/plugin.schema.json", **identity()}
    server = {"$schema": f"{AGENT_PLUGINS}/mcp.schema.json", "mcpServers": {NAME: {"type": "stdio", **COMMAND}}}
    manifests = {
        ".claude-plugin/marketplace.json": claude_marketplace(),
        ".agents/plugins/marketplace.json": codex_marketplace(),
        ".cursor-plugin/marketplace.json": cursor_marketplace(),
        "gemini-extension.json": gemini(),
        f"{FOLDER}/plugin.json": portable,
        f"{FOLDER}/mcp.json": server,
        f"{FOLDER}/.claude-plugin/plugin.json": claude(),
        f"{FOLDER}/.codex-plugin/plugin.json": codex(),
        f"{FOLDER}/.codex-plugin/mcp.json": codex_server(),
        f"{FOLDER}/.cursor-plugin/plugin.json": cursor(),
    }
    written = {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in manifests.items()}
    written[f"{FOLDER}/{SKILL}"] = skill
    written[f"{FOLDER}/POWER.md"] = POWER + skill.split("---\n", 2)[2].lstrip()
    icon = (ROOT / "docs" / "icon.png").read_bytes()
    return {**{path: text.encode() for path, text in written.items()}, f"{FOLDER}/assets/icon.png": icon}


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else ROOT
    for path, content in files().items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)
