"""Writes the folder from which the desktop bundle (`.mcpb`) is packed: manifest, sources, and what `uv` installs.

    python tools/write_bundle.py FOLDER

The manifest is made from server.json, pyproject.toml, the tools and the prompts. tests/bundle/run.sh packs the folder
with the official tool and starts what it holds. The bundle's pyproject.toml lists the dependencies alone: the package
lies beside it and needs no build, so a first start downloads no build tools.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from mcp_types import TextContent

from kling_mcp._version import __version__
from kling_mcp.server.build import build_server
from kling_mcp.server.tools import NAMES, load
from kling_mcp.settings import Settings

if TYPE_CHECKING:
    from mcp_types import Prompt

ROOT = Path(__file__).parent.parent
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text("utf-8"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VARIABLES: dict[str, dict[str, Any]] = {
    variable["name"]: variable for variable in SERVER["packages"][0]["environmentVariables"]
}


class Field(NamedTuple):
    """One field of the form that a host shows. Without `about`, its description is that of server.json."""

    key: str
    title: str
    kind: str = "string"
    about: str = ""


# In the order of the form.
FIELDS = {
    "KLING_API_KEY": Field("api_key", "Kling API key"),
    "KLING_MCP_SANDBOX": Field("sandbox", "Sandbox", "boolean"),
    "KLING_REGION": Field("region", "Region"),
    "KLING_MCP_MEDIA_DIRS": Field(
        "media_dirs",
        "Folders with your pictures",
        "directory",
        "Folders from which local pictures may be read. Your home folder if there are none.",
    ),
    "KLING_MCP_OUTPUT_DIR": Field(
        "output_dir",
        "Folder for results",
        "directory",
        "Folder in which videos and pictures are saved. kling-mcp in your video folder if empty.",
    ),
    "KLING_MCP_SPENDING": Field("spending", "Spending"),
    "KLING_MCP_MAX_UNITS_PER_CALL": Field("max_units_per_call", "Most units per call"),
    "KLING_MCP_MAX_UNITS_PER_DAY": Field("max_units_per_day", "Most units per day"),
    "KLING_MCP_READ_ONLY": Field("read_only", "Read only", "boolean"),
    "KLING_MCP_TOOLSETS": Field("toolsets", "Toolsets"),
    "KLING_ACCESS_KEY": Field("access_key", "Access key of an older key pair"),
    "KLING_SECRET_KEY": Field("secret_key", "Secret key of that pair"),
}
# Several folders cannot stand in one variable: a host writes each as an argument of its own.
REPEATED = {"KLING_MCP_MEDIA_DIRS": "--media-dir"}

LONG_DESCRIPTION = """\
Reusable characters, things and places (elements) for Kling AI, and videos and pictures with them.

- Each element is created exactly once, and nothing is paid twice, even after retries, crashes and lost replies.
- You see the price before anything is paid.
- Results are saved on this computer, with prompt, settings and price beside them.

Without a key, switch on the sandbox to try everything on a simulated Kling. `check_setup` says what is missing.\
"""

START = '''\
"""Starts the server of this bundle. What the host writes behind this file are options of `kling-mcp serve`."""

import sys

from kling_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
'''


def field_of(name: str) -> dict[str, Any]:
    """What the form asks for one variable. Optional, with an empty default: hosts hand on a blank as `${...}`."""
    variable, field = VARIABLES[name], FIELDS[name]
    choices = variable.get("choices", [])
    about = field.about or variable["description"]
    if choices:
        about += f" {', '.join(choices[:-1])} or {choices[-1]}; {variable['default']} if empty."
    shown: dict[str, Any] = {"type": field.kind, "title": field.title, "description": about, "required": False}
    if name in REPEATED:
        return {**shown, "multiple": True, "default": []}
    if variable.get("isSecret"):
        shown["sensitive"] = True
    return {**shown, "default": False if field.kind == "boolean" else ""}


def mcp_config() -> dict[str, Any]:
    """How a host starts the server: with its own uv, in whatever folder the host runs."""
    fields = {name: f"${{user_config.{field.key}}}" for name, field in FIELDS.items()}
    repeated = [part for name, option in REPEATED.items() for part in (option, fields[name])]
    return {
        "command": "uv",
        "args": ["run", "--project", "${__dirname}", "${__dirname}/server.py", *repeated],
        "env": {name: value for name, value in fields.items() if name not in REPEATED},
    }


def manifest() -> dict[str, Any]:
    """The whole manifest, of version 0.4: the first with servers that uv runs."""
    urls = PROJECT["urls"]
    return {
        "manifest_version": "0.4",
        "name": PROJECT["name"],
        "display_name": SERVER["title"],
        "version": __version__,
        "description": SERVER["description"],
        "long_description": LONG_DESCRIPTION,
        "author": {"name": PROJECT["authors"][0]["name"], "url": urls["Homepage"]},
        "repository": {"type": "git", "url": f"{urls['Homepage']}.git"},
        "homepage": urls["Homepage"],
        "documentation": f"{urls['Homepage']}/blob/v{__version__}/docs/plugins.md",
        "support": urls["Issues"],
        "icon": "icon.png",
        "server": {"type": "uv", "entry_point": "server.py", "mcp_config": mcp_config()},
        "tools": [{"name": name, "description": first_sentence(load(name).description)} for name in NAMES],
        "prompts": anyio.run(_prompts),
        "keywords": PROJECT["keywords"],
        "license": PROJECT["license"],
        "compatibility": {
            "platforms": ["darwin", "win32", "linux"],
            "runtimes": {"python": PROJECT["requires-python"]},
        },
        "user_config": {field.key: field_of(name) for name, field in FIELDS.items()},
    }


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence."""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


async def _prompts() -> list[dict[str, Any]]:
    server = build_server(Settings(sandbox=True))
    return [await _prompt(server, prompt) for prompt in await server.list_prompts()]


async def _prompt(server: Any, prompt: Prompt) -> dict[str, Any]:
    """A prompt with its text, in which each argument stands as `${arguments.NAME}`."""
    names = [argument.name for argument in prompt.arguments or []]
    got = await server.get_prompt(prompt.name, {name: f"${{arguments.{name}}}" for name in names})
    text = "\n".join(message.content.text for message in got.messages if isinstance(message.content, TextContent))
    return {"name": prompt.name, "description": prompt.description, "arguments": names, "text": text}


def project_file() -> str:
    """The pyproject.toml of the bundle: our dependencies, and no package to build."""
    dependencies = "".join(f"  {json.dumps(one)},\n" for one in PROJECT["dependencies"])
    return (
        f"[project]\nname = {json.dumps(PROJECT['name'])}\nversion = {json.dumps(__version__)}\n"
        f"requires-python = {json.dumps(PROJECT['requires-python'])}\ndependencies = [\n{dependencies}]\n\n"
        "[tool.uv]\npackage = false\n"
    )


def write(folder: Path) -> None:
    """Everything that the bundle holds, into a folder that is new or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty")
    shutil.copytree(
        ROOT / "kling_mcp", folder / "kling_mcp", ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    )
    (folder / "manifest.json").write_text(json.dumps(manifest(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    (folder / "pyproject.toml").write_text(project_file(), "utf-8")
    (folder / "server.py").write_text(START, "utf-8")
    shutil.copy(ROOT / "docs" / "icon.png", folder / "icon.png")
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    write(Path(sys.argv[1]))
