"""Writes sheets into a folder and reads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from kling_mcp.errors import InputError
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.production.model import Sheet, SheetProblem
from kling_mcp.production.read_sheet import read_sheet

PIP = """
  Pip:
    description: Small robot
    front: pictures/pip-front.jpg
    others: [pictures/pip-side.jpg]
"""


@dataclass(frozen=True)
class Studio:
    """The one allowed folder."""

    folder: Path
    policy: MediaPolicy

    def read(self, text: str | bytes, name: str = "episode.yaml") -> Sheet:
        """The sheet of this text."""
        data = text.encode() if isinstance(text, str) else text
        (self.folder / name).write_bytes(data)
        return read_sheet(str(self.folder / name), self.policy)

    def problems(self, text: str | bytes, name: str = "episode.yaml") -> list[SheetProblem]:
        """What is wrong with the sheet of this text."""
        with pytest.raises(InputError) as caught:
            self.read(text, name)
        problems = [problem for problem in caught.value.problems if isinstance(problem, SheetProblem)]
        assert len(problems) == len(caught.value.problems)
        assert all(problem.rule.startswith("must ") for problem in problems)
        return problems

    def places(self, text: str | bytes, name: str = "episode.yaml") -> list[tuple[int, str]]:
        """Line and way of each problem."""
        return [(problem.place.line, problem.argument) for problem in self.problems(text, name)]
