"""Starts what an unpacked bundle starts, as a host does, with the form filled in, blank, and not handed on at all.

    python tests/bundle/smoke.py FOLDER NODE_FOLDER

`hosts.mjs` asks the official library for the command; NODE_FOLDER holds it with its packages. uv must be in PATH.
Run by run.sh beside this file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

COMPLETE = "complete"
PICTURES = Path(__file__).resolve().parents[2] / "kling_mcp" / "demo" / "pictures"
# What a desktop program hands on to the servers that it starts, and where uv looks in tests.
PASSED_ON = ("PATH", "SSL_CERT_FILE", "UV_PYTHON", "UV_PYTHON_DOWNLOADS", "UV_CACHE_DIR", "UV_INDEX_URL")


class Form(NamedTuple):
    """What a person has entered. Without defaults, placeholders stay."""

    name: str
    values: dict[str, Any]
    defaults: bool = True


def forms(manifest: dict[str, Any], room: Path) -> list[Form]:
    """A blank form in each way in which hosts hand one on, and a complete one."""
    fields = manifest["user_config"]
    cleared = {key: [] if field.get("multiple") else "" for key, field in fields.items()}
    folders = [room / "front view", room / "side"]
    for folder, picture in zip(folders, sorted(PICTURES.glob("*.jpg")), strict=True):
        folder.mkdir()
        shutil.copy(picture, folder)
    complete = {
        "sandbox": True,
        "media_dirs": [str(folder) for folder in folders],
        "output_dir": str(room / "results"),
        "spending": "allow",
        "region": "global",
    }
    return [
        Form("untouched", {}),
        Form("cleared", cleared),
        Form("not handed on", {}, defaults=False),
        Form(COMPLETE, complete),
    ]


def commands(folder: Path, node_folder: Path, entered: list[Form]) -> list[dict[str, Any]]:
    """What the host runs for each form."""
    asked = json.dumps([{"values": form.values, "defaults": form.defaults} for form in entered])
    node = shutil.which("node") or "node"
    ran = subprocess.run(
        [node, str(node_folder / "hosts.mjs"), str(folder)], input=asked, capture_output=True, text=True, check=True
    )
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def server_of(command: dict[str, Any], home: Path) -> StdioServerParameters:
    """The process that the host starts, for a person with a new home folder."""
    home.mkdir()
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return StdioServerParameters(
        command=command["command"],
        args=command["args"],
        env={**passed, "HOME": str(home), "USERPROFILE": str(home), **command["env"]},
        cwd=home.anchor,  # several hosts start their servers there
    )


def pictures_of(form: Form) -> list[str]:
    """One picture from each folder that was chosen."""
    return [str(next(Path(folder).iterdir())) for folder in form.values["media_dirs"]]


async def visit(server: StdioServerParameters, form: Form, tools: set[str]) -> str:
    """One start of the server; says what was seen."""
    async with Client(stdio_client(server)) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert listed == tools, f"{form.name}: {listed ^ tools}"
        setup = (await client.call_tool("check_setup", {})).structured_content or {}
        if form.name == COMPLETE:
            assert setup["ok"], setup
            return await create(client, *pictures_of(form))
    assert (setup["ok"], setup["credential"]) == (False, "none"), setup
    [missing] = setup["problems"]
    assert "KLING_API_KEY" in missing, setup
    return str(missing).split(" Set ")[0]


async def create(client: Client, front: str, side: str) -> str:
    """Both folders that were chosen can be read: an element is made of a picture from each."""
    arguments = {
        "element_name": "Pip",
        "element_description": "small round robot",
        "reference_type": "image_refer",
        "frontal_image": front,
        "refer_images": [side],
    }
    made = await client.call_tool("create_element_and_wait", arguments)
    assert not made.is_error, made.content
    return f"an element from two folders: {(made.structured_content or {})['element_ids']}"


def main(folder: Path, node_folder: Path) -> None:
    """Every form, one after the other: the first start installs what the others use."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    tools = {tool["name"] for tool in manifest["tools"]}
    with tempfile.TemporaryDirectory() as room:
        entered = forms(manifest, Path(room))
        for form, command in zip(entered, commands(folder, node_folder, entered), strict=True):
            server = server_of(command, Path(room) / f"home of {form.name}")
            print(f"bundle, form {form.name}: {len(tools)} tools; {anyio.run(visit, server, form, tools)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
