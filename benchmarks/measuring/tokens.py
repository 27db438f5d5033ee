"""Texts counted in tokens by a real tokenizer, whose vocabulary comes inside its package; nothing else is fetched."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring.environments import FOLDER, CannotInstallError, environment, interpreter, version_in

_PACKAGE = "bpe-openai"
_ENCODING = "o200k_base"
_COUNTING = f"""
import json, sys, bpe_openai
encoding = bpe_openai.get_encoding({_ENCODING!r})
json.dump([len(encoding.encode(text)) for text in json.load(sys.stdin)], sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Counts. `description` says how."""

    description: str
    folder: Path | None = None

    @classmethod
    def best(cls, *, quick: bool = False) -> Tokenizer:
        """A real one where it can be installed; otherwise an estimate that says so."""
        estimate = f"{_PACKAGE} is not installed for a quick look"
        if not quick:
            try:
                folder = environment("tokenizer", [_PACKAGE], python=interpreter())
                return cls(f"{_ENCODING}, by {_PACKAGE} {version_in(folder, _PACKAGE)}", folder)
            except CannotInstallError as reason:
                estimate = f"{_PACKAGE}: {reason}"
        return cls(f"an estimate, a quarter of the bytes ({estimate})")

    @classmethod
    def present(cls) -> Tokenizer | None:
        """The real one, if an earlier run has installed it."""
        folder = FOLDER / "tokenizer" / "bin"
        return cls(_ENCODING, folder) if (folder.parent / "made-from.json").exists() else None

    def count(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has."""
        if self.folder is None:
            return [round(len(text.encode()) / 4) for text in texts]
        words = json.dumps(list(texts))
        done = subprocess.run(
            [self.folder / "python", "-c", _COUNTING], input=words, capture_output=True, text=True, check=True
        )
        counted: list[int] = json.loads(done.stdout)
        return counted
