"""What `uvx kling-mcp` fetches and keeps from a cold cache, by distribution, and how long its first start takes.

    python benchmarks/install.py [--quick]

The wheel is built and installed with uv into an empty environment, with an empty cache, as `uvx` does it. Files are
those that a distribution lists, without bytecode; "fetched" is the size of its wheel. "also mcp" marks what the MCP
SDK alone would bring: no server in Python can do without it. The first start compiles bytecode, later ones do not;
both are from the start of the process to the answer to `tools/list`. Nothing of Python itself is counted.
--quick only looks at the running environment, and fetches and starts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from measuring.conversation import Conversation
from measuring.environments import ROOT, environment, interpreter
from measuring.report import load, table

MB = 1_000_000
_SHOWN_MB = 0.5  # smaller ones are one line together

# Runs in the environment that is measured: (name, version, bytes, names that it needs) of each distribution.
_ASK = """
import importlib.metadata as m, json, re
def norm(name): return re.sub(r"[-_.]+", "-", name).lower()
def size(file):
    path = file.locate()
    return path.stat().st_size if path.exists() and "__pycache__" not in str(file) else 0
def needs(found):
    return [norm(re.match(r"[\\w.-]+", text)[0]) for text in found.requires or [] if "extra ==" not in text]
print(json.dumps([(norm(d.name), d.version, sum(map(size, d.files or [])), needs(d)) for d in m.distributions()]))
"""
# PyJWT brings it where its extra is asked for, as the SDK does.
_BY_EXTRA = {"pyjwt": ["cryptography"], "httpx": []}


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution in an environment: bytes of its files, of its wheel (0: not known), and names that it needs."""

    name: str
    version: str
    size: int
    needs: tuple[str, ...]
    fetched: int = 0


def read(python: Path) -> dict[str, Installed]:
    """The distributions in the environment of a Python, by name."""
    done = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True)
    found = (Installed(name, version, size, tuple(needs)) for name, version, size, needs in json.loads(done.stdout))
    return {one.name: one for one in found}


def reached(start: str, found: dict[str, Installed]) -> set[str]:
    """What comes with a distribution, itself included."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found and name not in seen:
            seen.add(name)
            waiting += [*found[name].needs, *_BY_EXTRA.get(name, [])]
    return seen


def show(found: Iterable[Installed], with_mcp: set[str]) -> None:
    """One line for each large distribution, one for all small ones, and the sums."""
    ordered = sorted(found, key=lambda one: -one.size)
    rows = [_row(f"{one.name} {one.version}", [one], with_mcp) for one in ordered if one.size >= _SHOWN_MB * MB]
    small = [one for one in ordered if one.size < _SHOWN_MB * MB]
    rows.append(_row(f"{len(small)} smaller ones", small, with_mcp))
    rows.append(_row("all", ordered, with_mcp))
    rows.append(_row("of them with mcp alone", [one for one in ordered if one.name in with_mcp], with_mcp))
    print(table(("MB", "fetched", "installed", "also mcp"), rows))


def _row(title: str, ones: list[Installed], with_mcp: set[str]) -> tuple[str, str, str, str]:
    fetched = sum(one.fetched for one in ones) / MB
    also = "yes" if all(one.name in with_mcp for one in ones) else ""
    return title, f"{fetched:.1f}" if fetched else "", f"{sum(one.size for one in ones) / MB:.1f}", also


def wheel_sizes(python: Path, found: dict[str, Installed], wheel: Path, room: Path) -> dict[str, int]:
    """The bytes of each distribution's wheel; pip fetches them once more, because uv keeps no wheels."""
    pins = [f"{one.name}=={one.version}" for one in found.values() if one.name != "kling-mcp"]
    command = [str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(room), *pins]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    sizes = {
        path.name.split("-")[0].replace("_", "-").replace(".", "-").lower(): path.stat().st_size
        for path in room.iterdir()
    }
    return {**sizes, "kling-mcp": wheel.stat().st_size}


def first_answer(command: Path, state: str) -> float:
    """Milliseconds from the start of the process to the list of tools."""
    with Conversation([str(command)], {"KLING_MCP_SANDBOX": "1", "KLING_MCP_STATE_DIR": state}) as conversation:
        conversation.hello()
        _, listed = conversation.tools()
    return listed * 1000


def measure() -> None:
    """Builds, installs, fetches and starts."""
    tools = environment("uv", ["uv", "pip"], python=interpreter())
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        uv = str(tools / "uv")
        environ = {**os.environ, "UV_CACHE_DIR": str(room / "cache"), "UV_NO_PROGRESS": "1"}
        for words in (["build", "--wheel", "--out-dir", str(room / "built"), str(ROOT)], ["venv", str(room / "user")]):
            subprocess.run([uv, *words], env=environ, check=True, capture_output=True)
        [wheel] = (room / "built").glob("*.whl")
        python = room / "user" / "bin" / "python"
        environ["UV_CACHE_DIR"] = str(room / "cold")
        began = time.perf_counter()
        command = [uv, "pip", "install", "--python", str(python), str(wheel)]
        subprocess.run(command, env=environ, check=True, capture_output=True)
        seconds = time.perf_counter() - began
        found = read(python)
        (room / "fetched").mkdir()
        sizes = wheel_sizes(tools / "python", found, wheel, room / "fetched")
        whole = [
            Installed(one.name, one.version, one.size, one.needs, sizes.get(one.name, 0)) for one in found.values()
        ]
        show(whole, reached("mcp", found))
        starts = [first_answer(room / "user" / "bin" / "kling-mcp", str(room / "state")) for _ in range(4)]
    print(f"\ninstalled in {seconds:.1f} s from an empty cache; the line to the index decides, so compare megabytes")
    print(f"first start {starts[0]:.0f} ms, later ones {min(starts[1:]):.0f} ms; {load()}")


def main() -> None:
    """The table, and the first start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the running environment alone")
    if parser.parse_args().quick:
        found = read(Path(sys.executable))
        ours = reached("kling-mcp", found)
        show([one for one in found.values() if one.name in ours], reached("mcp", found))
    else:
        measure()


if __name__ == "__main__":
    main()
