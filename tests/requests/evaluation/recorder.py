"""`kling-mcp`, as an agent finds it on its PATH: the very same program, with a note of each call in a folder.

    python recorder.py FOLDER call find_elements query=Mia

A note is there from the beginning, so that a call that is killed is seen, too. It changes nothing that is printed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing import TextIO


class _Tee:
    """A stream that remembers what was written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.said: list[str] = []

    def write(self, text: str) -> int:
        self.said.append(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Note:
    """What is known of this call; each `keep` replaces the file at once."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self._path = folder / f"{time.time_ns()}-{os.getpid()}.json"
        self._held: dict[str, Any] = {"words": words}
        self.keep()

    def keep(self, **more: Any) -> None:
        self._held |= more
        half = self._path.with_suffix(".half")
        half.write_text(json.dumps(self._held, ensure_ascii=False), "utf-8")
        half.replace(self._path)


def main() -> int:
    """Run the command and note it; its exit code."""
    folder, *words = sys.argv[1:]
    note = _Note(Path(folder), words)
    out, err = _Tee(sys.stdout), _Tee(sys.stderr)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    if words[:1] == ["call"]:
        _watch_calls(note)

    from kling_mcp.cli import main as run  # noqa: PLC0415 - loaded after the streams are watched

    code = run(words)
    note.keep(code=code, shown="".join(out.said) + "".join(err.said))
    return code


def _watch_calls(note: _Note) -> None:
    """Note arguments and outcome where every call passes, whoever makes it."""
    from kling_mcp.errors import KlingError  # noqa: PLC0415 - only for calls
    from kling_mcp.server import run_tool  # noqa: PLC0415 - only for calls
    from kling_mcp.server.tool import Answer  # noqa: PLC0415 - only for calls
    from kling_mcp.server.tools import may_create  # noqa: PLC0415 - only for calls

    perform = run_tool.load_and_perform

    async def watched(name: str, load_it: Any, arguments: Any, caller: Any) -> Any:
        note.keep(tool=name, arguments=dict(arguments))
        outcome = await perform(name, load_it, arguments, caller)
        if isinstance(outcome, Answer):
            pictures = sum(block.type == "image" for block in outcome.extra)
            note.keep(text=outcome.text, structured=outcome.view.model_dump(mode="json"), pictures=pictures)
        elif isinstance(outcome, KlingError):
            note.keep(text=outcome.for_caller(may_create=may_create(name)), is_error=True)
        return outcome

    run_tool.load_and_perform = watched


if __name__ == "__main__":
    sys.exit(main())
