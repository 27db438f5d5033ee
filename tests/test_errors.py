"""The error tree: every class says who must act, and every text ends with the line for programs."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from kling_mcp import errors
from kling_mcp.errors import (
    ApiError,
    AuthError,
    ClockError,
    ConfigurationError,
    ConnectionFailedError,
    Created,
    InputError,
    Kind,
    KlingError,
    LostReplyError,
    NameTakenError,
    NotFoundError,
    Problem,
    Retry,
    StorageError,
    TaskFailedError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from kling_mcp.guide import Topic, guide_to

ROOT = Path(__file__).parents[1]

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
        limit needs_confirmation over_budget internal"""
    assert list(get_args(Kind)) == contract.split()


def test_the_text_says_what_happened_what_exists_and_what_to_do() -> None:
    error = UnknownOutcomeError(
        "The answer was lost.", external_task_id="kmcp-1", code=5002, request_id="Cl6x", advice="Look first."
    )
    assert error.for_caller() == (
        "The answer was lost.\n"
        "It is not known whether anything was created.\n"
        "Look first.\n"
        "kind=unknown_outcome created=maybe retry=later code=5002 request_id=Cl6x"
    )


def test_trouble_with_the_surroundings_leads_to_its_part_of_the_page() -> None:
    error = AuthError("Kling answered 1002.", http_status=401, code=1002, advice="Check the key.")
    more = "More: https://github.com/kling-mcp/kling-mcp/blob/main/docs/troubleshooting.md#keys-regions-and-the-clock"
    assert error.for_caller().splitlines()[2:4] == ["Check the key. check_setup shows more.", more]


def test_reader_of_check_setup_is_not_sent_there_again() -> None:
    error = AuthError("Kling answered 1002.", http_status=401, code=1002, advice="Check the key.")
    shown = error.for_setup("(api_key at https://kling.example)")
    assert shown.startswith(
        "auth: code=1002 Kling answered 1002. (api_key at https://kling.example) Check the key. More:"
    )
    assert "check_setup" not in shown


def test_each_part_of_the_page_that_errors_name_exists() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(get_args(Topic)) - {""} <= anchors
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert guide_to("state").startswith(f"More: {project['urls']['Homepage']}/blob/main/docs/troubleshooting.md#")
    assert guide_to("") == ""


SURROUNDINGS: tuple[type[KlingError], ...] = (
    AuthError,
    ClockError,
    ConfigurationError,
    ConnectionFailedError,
    LostReplyError,
    StorageError,
)


@pytest.mark.parametrize("kind", SURROUNDINGS, ids=lambda kind: kind.__name__)
def test_error_of_the_surroundings_leads_to_the_page_wherever_it_is_made(kind: type[KlingError]) -> None:
    assert kind.topic


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
