"""The error tree: every class says who must act, and every text ends with the line for programs."""

from __future__ import annotations

import inspect
import re
from typing import get_args

import pytest

from kling_mcp import errors
from kling_mcp.errors import (
    ApiError,
    ConfigurationError,
    Created,
    InputError,
    Kind,
    KlingError,
    NameTakenError,
    NotFoundError,
    Problem,
    Retry,
    TaskFailedError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)

CLASSES = [member for _, member in inspect.getmembers(errors, inspect.isclass) if issubclass(member, KlingError)]
LAST_LINE = re.compile(
    rf"kind=({'|'.join(get_args(Kind))}) created=({'|'.join(get_args(Created))}) "
    rf"retry=({'|'.join(get_args(Retry))}) code=(-|\d+) request_id=\S+"
)


def made(kind: type[KlingError]) -> KlingError:
    """One of this class, with what it requires."""
    if issubclass(kind, InputError):
        return kind([Problem("id", "must be a task id", "nothing", "give a task id")])
    if issubclass(kind, ApiError | UnexpectedReplyError):
        return kind("What happened.", http_status=500)
    if issubclass(kind, TaskFailedError):
        return kind("What happened.", task_id="1")
    return kind("What happened.")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_speaks_the_contract(kind: type[KlingError]) -> None:
    error = made(kind)
    *told, last = error.for_caller().splitlines()
    assert LAST_LINE.fullmatch(last)
    assert told
    assert error.created_sentence() in told
    assert "\n" not in str(error)
    assert isinstance(error, KlingError)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"\b([A-Z]\w+Error)\b", str(errors.__doc__)))
    assert drawn == {kind.__name__ for kind in CLASSES if not kind.__name__.startswith("_")}


def test_error_kinds_of_the_contract_are_all_known() -> None:
    contract = """missing_credentials auth clock permission balance bad_input content_policy rate_limited busy
        not_found name_taken ambiguous_name read_only network vendor_fault unknown_outcome task_failed stale_plan
        limit internal"""
    assert list(get_args(Kind)) == contract.split()


def test_the_text_says_what_happened_what_exists_and_what_to_do() -> None:
    error = UnknownOutcomeError(
        "The answer was lost.", external_task_id="kmcp-1", code=5002, request_id="Cl6x", advice="Look first."
    )
    assert error.for_caller() == (
        "The answer was lost.\n"
        "It is not known whether an element was created.\n"
        "Look first.\n"
        "kind=unknown_outcome created=maybe retry=later code=5002 request_id=Cl6x"
    )


def test_several_problems_are_reported_together_on_a_line_each() -> None:
    error = InputError(
        [
            Problem("element_name", "must have at most 20 characters", "31 characters", 'try "Mia"'),
            Problem("video_url", "must be an https link", '"x.mp4"', "upload it somewhere"),
        ]
    )
    assert error.for_caller().splitlines()[:3] == [
        "2 problems with the input:",
        '- element_name: must have at most 20 characters; got 31 characters. Fix: try "Mia"',
        '- video_url: must be an https link; got "x.mp4". Fix: upload it somewhere',
    ]
    assert [problem.argument for problem in error.problems] == ["element_name", "video_url"]
    assert "\n" not in str(error)


def test_error_class_can_be_given_a_more_precise_kind() -> None:
    """What is given counts; what is not given comes from the class."""
    error = ConfigurationError("No key.", kind="missing_credentials")
    assert (error.kind, error.created, error.retry) == ("missing_credentials", "no", "never")
    assert ConfigurationError("Half a pair.").kind == "bad_input"


def test_candidates_travel_with_the_error() -> None:
    assert NameTakenError("Taken.", candidates=["element_id=1"]).candidates == ("element_id=1",)
    assert NotFoundError("None.").candidates == ()


def test_message_of_thousands_of_problems_shows_the_first() -> None:
    problems = [Problem(f"tags[{place}]", "is a known tag", "nonsense", "leave it out") for place in range(3000)]
    error = InputError(problems)
    assert len(error.problems) == 3000
    assert error.message.startswith("3000 problems with the input:\n- tags[0]:")
    assert error.message.endswith(
        "- tags[19]: is a known tag; got nonsense. Fix: leave it out\n- and 2980 more; correct these first."
    )
    assert len(str(error)) < 3000
