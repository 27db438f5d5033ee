"""What targets of the guided search share: refusals that the contract allows, bytes as text, and common words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kling_mcp.errors import InputError, KlingError


@dataclass(frozen=True, slots=True)
class Door:
    """One place at which foreign bytes come in.

    Attributes:
        run: takes any bytes; whatever it raises is a finding.
        make_seeds: true examples, from which a search begins.
        words: what inputs are made of; a search puts them in.
        json_at: where in the input JSON begins; negative where there is none.
    """

    run: Callable[[bytes], None]
    make_seeds: Callable[[], Sequence[bytes]]
    words: Sequence[bytes] = ()
    json_at: int = -1


JSON_WORDS = [
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b",",
    b"null",
    b"true",
    b"1e999",
    b"NaN",
    b"\\ud800",
    b"-0",
    b"9" * 40,
]
MAX_MESSAGE = 60_000
_INSIDES = re.compile(r"Traceback|site-packages|<[\w.]+ object at 0x")


@contextmanager
def refusals() -> Iterator[None]:
    """The block may refuse, with words that can be shown to a person."""
    refusal: KlingError | None = None
    try:
        yield
    except KlingError as error:
        refusal = error
    if refusal is not None:
        said = f"{refusal.message} {refusal.advice}"
        assert len(said) < MAX_MESSAGE, f"{len(said)} characters"
        assert refusal.kind != "internal", said[:500]
        require_showable(said)
        problems = refusal.problems if isinstance(refusal, InputError) else []
        assert all(problem.rule.startswith("must ") for problem in problems), said[:500]


def require_showable(text: str) -> None:
    """Nothing of the inside, no control character, and none that changes the direction."""
    assert not _INSIDES.search(text), text[:500]
    odd = {mark for mark in text if unicodedata.category(mark) in {"Cc", "Cs"} or mark in "\u202a\u202b\u202d\u202e"}
    assert not odd - {"\n"}, f"{odd!r} in {text[:500]!r}"


def text_of(data: bytes) -> str:
    """Any text, halves of characters among them, as JSON can bring them."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("latin-1")
