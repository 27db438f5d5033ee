"""Facts, code and tests hold each other: no fact without a use or a reason, no citation without a fact."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from facts import DEFERRED, FACTS, PAGE, SOURCES, Fact
from repository_files import files_of, named

from kling_mcp.api import limits
from kling_mcp.generation.targets import TARGETS

KNOWN = {fact.id for fact in FACTS}
# These cite facts only as examples of how to cite.
ABOUT_CITING = {"facts.py", "test_facts.py"}
# "fact: a", "facts: a, b (why), c", also over the end of a line.
_CITED = re.compile(r"[Ff]acts?:\s*((?:[a-z0-9][a-z0-9-]*(?: \([^()]*\))?(?:,\s*(?:#\s*)?(?:and\s+)?)?)+)")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_IN_BRACKETS = re.compile(r"\([^()]*\)")
# "section 4.1" of the API reference; a page whose sections do have numbers is named before it.
_SECTION = re.compile(r"(?<!RFC \d{4}, )\b[Ss]ections? \d|API reference,? \d")


CODE = [
    path
    for folder in ("kling_mcp", "tests", "examples", "tools", "benchmarks")
    for path in files_of(".py", ".json", below=folder)
    if path.name not in ABOUT_CITING
]
PAGES = list(files_of(".md"))


def explicit_citations(text: str) -> set[str]:
    """The ids behind `fact:` and `facts:`; an ordinary word that follows them is none."""
    words = {word for cited in _CITED.findall(text) for word in _ID.findall(_IN_BRACKETS.sub("", cited))}
    return {word for word in words if "-" in word or word in KNOWN}


@pytest.fixture(scope="module")
def cited() -> dict[str, set[str]]:
    """For each id behind `fact:` in code, the files."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in CODE:
        for id_ in explicit_citations(path.read_text("utf-8")):
            found[id_].add(named(path))
    return found


def test_fact_ids_are_given_once() -> None:
    assert [id_ for id_, times in Counter(fact.id for fact in FACTS).items() if times > 1] == []
    assert [id_ for id_ in KNOWN if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id_)] == []


def is_complete(fact: Fact) -> bool:
    """Whether it has a statement, a source of each of its marks, a date and a section."""
    return bool(
        fact.statement.endswith(".")
        and len(fact.marks) == len(fact.sources)
        and all(source in SOURCES[mark] for mark, source in zip(fact.marks, fact.sources, strict=True))
        and re.fullmatch(r"(by )?\d{4}-\d\d(-\d\d)?", fact.date)
        and fact.section
    )


def test_facts_have_a_statement_known_marks_their_sources_and_a_date() -> None:
    assert [fact for fact in FACTS if not is_complete(fact)] == []


def test_page_of_facts_explains_exactly_the_marks_and_sources_in_use() -> None:
    explained = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ", PAGE.read_text("utf-8").split("\n## ")[1], re.MULTILINE)
    assert {mark: set(sources.split(", ")) for mark, sources in explained} == SOURCES
    assert {mark for fact in FACTS for mark in fact.marks} == set(SOURCES)


def test_facts_are_cited_or_deferred_with_a_reason(cited: dict[str, set[str]]) -> None:
    assert [fact.id for fact in FACTS if not cited.get(fact.id) and not fact.deferred] == []


def test_deferred_facts_exist_and_no_code_cites_them(cited: dict[str, set[str]]) -> None:
    assert [id_ for id_ in DEFERRED if id_ not in KNOWN] == []
    assert {id_: cited[id_] for id_ in DEFERRED if id_ in cited} == {}


def test_code_cites_no_unknown_fact(cited: dict[str, set[str]]) -> None:
    assert {id_: files for id_, files in cited.items() if id_ not in KNOWN} == {}


def test_limits_name_facts_that_exist() -> None:
    """They are shown to clients, each with its fact."""
    numbers = {value.fact for value in vars(limits).values() if isinstance(value, limits.Limit)}
    rows = {limit.fact for target in TARGETS.values() for limit in target.limits}
    assert (numbers - {""}) | rows <= KNOWN


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_page_cites_no_unknown_fact(path: Path) -> None:
    assert explicit_citations(path.read_text("utf-8")) - KNOWN == set()


def test_code_cites_facts_and_no_numbered_section() -> None:
    """Sections move and get other numbers; the meaning of a fact id never changes."""
    numbered = [
        f"{named(path)}:{number}"
        for path in [*CODE, *PAGES]
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if _SECTION.search(line)
    ]
    assert numbered == []


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
def test_citation_is_read_in_every_form(text: str, ids: set[str]) -> None:
    assert explicit_citations(text) >= ids
