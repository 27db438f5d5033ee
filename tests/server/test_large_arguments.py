"""Arguments of megabytes are refused for their size, before anything is done with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest
from pydantic import Field
from work import counted_work

from kling_mcp.errors import InputError
from kling_mcp.server.arguments import ToolArguments, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_CALLS = 20_000  # of functions, for whatever is sent; a thousand values of a list are read with half of them
N = 1_000_000


class Everything(ToolArguments):
    """One argument of each type that tools have."""

    MEDIA: ClassVar[frozenset[str]] = frozenset({"frontal", "pictures"})

    name: str = ""
    names: list[str] = Field(default_factory=list)
    frontal: str = ""
    pictures: list[str] = Field(default_factory=list)
    size: int = Field(30, ge=1, le=500)
    again: bool = False
    kind: Literal["image_refer", "video_refer"] = "image_refer"


def refusal(raw: dict[str, Any]) -> InputError:
    with counted_work() as work, pytest.raises(InputError) as caught:
        parse_arguments(Everything, raw)
    assert work.calls < MOST_CALLS
    assert len(caught.value.for_caller()) < 5000
    return caught.value


# The texts are made in the tests: all workers would keep them all.
@pytest.mark.parametrize("piece", ["a", " ", "é", "a\u0323\u0301", "[", "{", "9", "\n"])
@pytest.mark.parametrize("name", ["name", "names", "size", "again", "kind"])
def test_text_of_a_megabyte_is_refused_by_its_length(name: str, piece: str) -> None:
    text = piece * N
    [problem] = refusal({name: text}).problems
    assert problem.argument == name
    assert problem.rule.startswith("must have at most ")
    assert problem.actual == f'"{len(text)} characters"'


@pytest.mark.parametrize(
    ("piece", "begin", "end"),
    [
        ("a.jpg,", "", ""),
        ("a.jpg , ", "", ""),
        ("/a,", "", ""),
        ("data:,", "", ""),
        ("data:;base64,/9j/,", "", ""),
        ("https://x.example/a,", "", ""),
        ("a\n", "", ""),
        ("[],", "[", "[]]"),
        ("{},", "[", "{}]"),
        ('"a",', "[", '"a"]'),
        (",", "", ""),
    ],
)
def test_text_of_too_many_parts_is_never_split_into_all_of_them(piece: str, begin: str, end: str) -> None:
    text = f"{begin}{piece * N}{end}"
    [problem] = refusal({"pictures": text}).problems
    assert problem.argument == "pictures"
    assert "at most 1000 values" in problem.rule


def test_pictures_in_one_text_are_found_without_a_copy_for_each() -> None:
    pictures = ["data:image/jpeg;base64,/9j/" + letter * 3_000_000 for letter in "ABC"]
    for text in (",".join(pictures), "\n".join(pictures), json.dumps(pictures)):
        with counted_work() as work:
            assert parse_arguments(Everything, {"pictures": text}).pictures == pictures
        assert work.calls < 500


def test_list_whose_texts_are_short_but_too_many_together_is_refused() -> None:
    [problem] = refusal({"names": ["a" * 1000] * 1000}).problems
    assert problem.rule == "must have at most 100000 characters in all"
    [problem] = refusal({"names": ["a", "b" * 5000]}).problems
    assert problem.rule == "must have at most 4096 characters"


@pytest.mark.parametrize(
    "make_value",
    [
        lambda: ["a"] * N,
        lambda: {str(number): "" for number in range(100_000)},
        lambda: [[[]] * N],
        lambda: [{"a": "b" * N}],
    ],
    ids=["texts", "fields", "lists", "long text"],
)
@pytest.mark.parametrize("name", Everything.model_fields)
def test_large_value_of_a_wrong_type_is_only_named(name: str, make_value: Callable[[], object]) -> None:
    [problem] = refusal({name: make_value()}).problems
    assert len(problem.actual) < 40


def test_arguments_are_counted_before_their_names_are_compared() -> None:
    [problem] = refusal({f"argument_{number}": "x" for number in range(850_000)}).problems
    assert (problem.argument, problem.actual) == ("arguments", "850000 of them")
    assert problem.rule == "must be those of this tool: name, names, frontal, pictures, size, again, kind"


def test_long_name_is_compared_with_none() -> None:
    [problem] = refusal({"pictures" * N: "x"}).problems
    assert problem.fix.startswith("leave it out")
    assert len(problem.argument) <= 42
