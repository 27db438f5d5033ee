"""Facts, code and tests hold each other: no fact without a use or a reason, no citation without a fact."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from facts import FACTS, Fact

ROOT = Path(__file__).parents[1]
KNOWN = {fact.id for fact in FACTS}
# "fact: a", "facts: a, b (why), c", also over the end of a line. Ids of one word count only in this form.
_CITED = re.compile(r"[Ff]acts?:\s*((?:[a-z0-9][a-z0-9-]*(?:\s*\([^()]*\))?(?:,\s*(?:#\s*)?(?:and\s+)?)?)+)")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_IN_BRACKETS = re.compile(r"\([^()]*\)")
# Ids with a hyphen are no ordinary words, so they count wherever they stand as a whole.
_COMPOUND = re.compile(r"(?<![\w-])[a-z0-9]+(?:-[a-z0-9]+)+(?![\w-])")


def sources() -> Iterator[Path]:
    """Everything that may cite."""
    for folder in ("kling_mcp", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".json"} and path.name not in {"facts.py", "test_facts.py"}:
                yield path


def explicit_citations(text: str) -> set[str]:
    """The ids behind `fact:` and `facts:`; an ordinary word that follows them is none."""
    words = {word for cited in _CITED.findall(text) for word in _ID.findall(_IN_BRACKETS.sub("", cited))}
    return {word for word in words if "-" in word or word in KNOWN}


@pytest.fixture(scope="module")
def places() -> dict[str, set[str]]:
    """For each id, the files that cite it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sources():
        text = path.read_text(encoding="utf-8")
        for cited in explicit_citations(text) | (set(_COMPOUND.findall(text)) & KNOWN):
            found[cited].add(str(path.relative_to(ROOT)))
    return found


def test_ids_are_given_once() -> None:
    assert len(KNOWN) == len(FACTS)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id_) for id_ in KNOWN)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_a_fact_is_used_or_says_why_not(fact: Fact, places: dict[str, set[str]]) -> None:
    assert places.get(fact.id) or fact.deferred


def test_no_citation_is_of_an_unknown_fact(places: dict[str, set[str]]) -> None:
    unknown = {cited: files for cited, files in places.items() if cited not in KNOWN}
    assert unknown == {}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("# fact: poll (from 2 s), then", {"poll"}),
        ('"""facts: a-b, c-2, d-1\n    and more words', {"a-b", "c-2", "d-1"}),
        ("# facts: a-b (why, oh why), c-d", {"a-b", "c-d"}),
        ("# facts: one-two,\n# three-four", {"one-two", "three-four"}),
        ("no fact here", set()),
    ],
)
def test_how_a_citation_is_read(text: str, ids: set[str]) -> None:
    assert explicit_citations(text) >= ids
