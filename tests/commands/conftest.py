"""Commands in this process, as a shell runs them, in front of a simulated Kling behind a real socket."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY
from never_twice.real_server import Kling
from PIL import Image
from skipped_time import skip_waits

from kling_mcp import cli
from kling_mcp.simulator import served_in_background

LOOKS = ("element_name=Mia", "element_description=Barista", "reference_type=image_refer")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def envelope(self) -> dict[str, Any]:
        """What `--json` printed."""
        held: dict[str, Any] = json.loads(self.out)
        assert held.keys() in ({"ok", "result", "resume"}, {"ok", "error", "resume"})
        return held


Run = Callable[..., Ran]


class Terminal(io.TextIOWrapper):
    """Somebody's terminal as stdin, at which this was typed."""

    def __init__(self, typed: str = "") -> None:
        super().__init__(io.BytesIO(typed.encode()), "utf-8")

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_ends_with_the_test(logging_as_before: None) -> None:
    """Every test here runs a command."""


@pytest.fixture
def kling() -> Kling:
    return Kling()


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str, ...]:
    """The words of two pictures."""
    for name, colour in (("front.png", "tomato"), ("side.png", "seagreen")):
        Image.new("RGB", (400, 500), colour).save(tmp_path / name)
    return f"frontal_image={tmp_path / 'front.png'}", f"refer_images={tmp_path / 'side.png'}"


@pytest.fixture
def environ(kling: Kling, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a shell that reaches the simulated Kling."""
    with served_in_background(kling.world, kling.faults) as url:
        yield {
            "KLING_BASE_URL": url,
            "KLING_API_KEY": API_KEY,
            "KLING_MCP_MEDIA_DIRS": str(tmp_path),
            "KLING_MCP_STATE_DIR": str(tmp_path / "state"),
            "KLING_MCP_OUTPUT_DIR": str(tmp_path / "results"),
        }


@pytest.fixture
def run(
    environ: dict[str, str], kling: Kling, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """`run("find_elements", "query=Mia", KLING_MCP_SPENDING="off")`: one call, with what stdin holds."""
    skip_waits(kling.world, monkeypatch)

    def call(*words: str, stdin: io.TextIOWrapper | None = None, **changes: str) -> Ran:
        monkeypatch.setattr(sys, "stdin", stdin or io.TextIOWrapper(io.BytesIO(), "utf-8"))
        # At a terminal stderr is one, too; what it shows is still captured.
        monkeypatch.setattr(sys.stderr, "isatty", lambda: isinstance(stdin, Terminal), raising=False)
        code = cli.main(["call", *words], environ | changes)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call
