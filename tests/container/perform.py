"""Performs the steps of the Dockerfile without a container engine, and starts what compose.yaml starts.

    python tests/container/perform.py

The build stage runs as it is written, in a folder instead of an image; then the entry point runs with the command, the
settings and the health check of compose.yaml, on a free port and with a file for its state. What needs an engine is
left out: the base image, the user, mounts and networks.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HOST = "kling.example.com"
INSTALLED, STATE = "/opt/kling-mcp", "/state"


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's stages as (instruction, rest); continued lines are joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found: list[list[tuple[str, str]]] = []
    for word, _, rest in (line.partition(" ") for line in lines if line.strip()):
        if word == "FROM":
            found.append([])
        else:
            found[-1].append((word, rest))
    return found


def build(stage: list[tuple[str, str]], room: Path) -> None:
    """The stage that installs: its COPY and RUN, below `room`."""
    source = room / "src"
    source.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    beginning = {**os.environ, "PATH": path, "PIP_QUIET": "1"}
    for word, rest in stage:
        if word == "COPY":
            *names, _ = rest.split()
            for name in names:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, source / name)
        elif word == "RUN":
            command = rest.replace(INSTALLED, f"{room}{INSTALLED}")
            subprocess.run(["/bin/sh", "-ec", command], cwd=source, env=beginning, check=True)
        elif word != "WORKDIR":
            raise SystemExit(f"the build stage has learnt {word}, which this script does not perform")


def environment(stage: list[tuple[str, str]], service: dict[str, Any], room: Path) -> dict[str, str]:
    """What the process finds: the image's ENV and compose's settings, with secrets in files."""
    [image] = [rest for word, rest in stage if word == "ENV"]
    found = dict(re.findall(r"(\w+)=(\S+)", image))
    found["PATH"] = found["PATH"].replace("$PATH", os.environ["PATH"])
    for name, value in service["environment"].items():
        found[name] = re.sub(r"\$\{KLING_HOST[^}]*\}", HOST, str(value))
    del found["KLING_MCP_STATE_URL_FILE"]  # there is no database here
    (room / "run").mkdir()
    for name in [name for name in found if name.endswith("_FILE")]:
        path = room / "run" / name
        path.write_text(secrets.token_hex(16))
        found[name] = str(path)
    (room / "state").mkdir(mode=0o700)
    found["KLING_MCP_STATE_DIR"] = str(room / "state")
    found["PATH"] = found["PATH"].replace(INSTALLED, f"{room}{INSTALLED}")
    return found


@contextmanager
def serving(command: list[str], environ: dict[str, str], room: Path) -> Iterator[None]:
    """The server of compose.yaml, until the block ends; then it must end in order."""
    process = subprocess.Popen(command, env=environ, cwd=room / "state", stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        if "serves" not in said:
            raise SystemExit(f"it does not serve: {said}{process.communicate()[1]}")
        yield
    finally:
        process.terminate()
        said = process.communicate(timeout=20)[1]
    if "Traceback" in said:
        raise SystemExit(f"it does not end well: {said}")


def main() -> None:
    """Build, start, ask whether it is well, end."""
    service = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["kling-mcp"]
    first, last = stages()
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        build(first, room)
        environ = environment(last, service, room)
        entry = json.loads(next(rest for word, rest in last if word == "ENTRYPOINT"))
        program = shutil.which(entry[0], path=environ["PATH"])
        assert program == f"{room}{INSTALLED}/bin/{entry[0]}"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        given = service["command"][service["command"].index("--port") + 1]
        command = [program, *(port if word == given else word for word in service["command"])]
        how, *check = [str(word).replace(f":{given}/", f":{port}/") for word in service["healthcheck"]["test"]]
        assert how == "CMD"

        def is_well() -> bool:
            done = subprocess.run(check, env=environ, check=False, capture_output=True)
            return done.returncode == 0

        assert not is_well(), "nothing serves yet"
        with serving(command, environ, room):
            assert is_well(), "the health check fails"
        written = sorted(path.name for path in (room / "state").iterdir())
        print(f"The steps of the Dockerfile work; compose's command serves and is well. State: {', '.join(written)}")


if __name__ == "__main__":
    main()
