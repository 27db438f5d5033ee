"""The set as a whole: enough of it, about every tool, without a misspelt field; and the judge's single rules."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

# At the end: the folder has the name of a library, so it can be no package, and must not come first.
sys.path.append(str(Path(__file__).parent))

from evaluation.grading import Play, grade, keeps
from evaluation.scene import Ending, Step
from evaluation.sheets import Call, Never, Request, Way, read_requests

from kling_mcp.server.tools import NAMES, load

REQUESTS = read_requests()
SPECS = {spec.name: spec for spec in map(load, NAMES)}
COSTLY = ("generation", "money", "production", "surroundings")
SAW_MIA = Step("list_elements", {}, "Mia 310000000000001", {"id": "310000000000001"}, is_error=False)
MADE = Step("create_element", {"element_name": "Mia"}, "task 880000000000000001", None, is_error=False)


def request_for(*ways: Way, **more: Any) -> Request:
    return Request(id="r", says="?", guards="!", way=ways, **more)


def play_of(*steps: Step, answer: str = "Done.", created: int = 0) -> Play:
    return Play(steps, answer, Ending(created, frozenset(), Counter(), Counter(), ()), {})


def test_request_set_is_large_enough_and_each_request_says_what_it_guards() -> None:
    assert len(REQUESTS) >= 180
    assert [request.id for request in REQUESTS if not request.guards.endswith((".", "!"))] == []
    assert len({request.says for request in REQUESTS}) == len(REQUESTS)


def test_costly_themes_are_large_and_each_request_has_a_careless_agent() -> None:
    """What is paid for, or broken by what surrounds the server, is where a careless agent does the harm."""
    counted = Counter(request.theme for request in REQUESTS)
    assert min(counted[theme] for theme in COSTLY) >= 15
    assert sum(counted[theme] for theme in COSTLY) >= 80
    assert [request.id for request in REQUESTS if request.theme in COSTLY and not request.careless] == []
    assert sum(bool(request.careless) for request in REQUESTS) >= 120


def test_careless_calls_name_real_tools() -> None:
    """A name that no tool has would be refused for that alone."""
    tools = {call.tool for request in REQUESTS for careless in request.careless for call in careless.call}
    assert tools - set(SPECS) == set()


def test_every_tool_is_asked_for() -> None:
    asked = {call.tool for request in REQUESTS for way in request.way for call in way.call}
    assert set(SPECS) - asked == set(), "add a request for these to themes/"


def test_people_write_in_other_languages_too() -> None:
    says = [request.says for request in REQUESTS]
    assert sum(bool(re.search("[\u4e00-\u9fff]{4}", text)) for text in says) >= 3
    assert sum(bool(re.search(r"\b(ich|bitte|meine[rmn]?|ist)\b", text, re.IGNORECASE)) for text in says) >= 3
    for letters in (
        "[ぁ-んァ-ヶ]",
        "[а-яё]{3}",
        r"\b(vous|une|déjà|prête|de la)\b",
        r"\b(el|los|qué|por)\b",
        "[ąęłżźćń]",
    ):
        assert any(re.search(letters, text, re.IGNORECASE) for text in says), letters


def test_expected_calls_name_real_arguments() -> None:
    """What is meant to fail may be wrong; everything else is what the tool's schema knows."""
    wrong = [
        (request.id, name)
        for request in REQUESTS
        for way in request.way
        for call in way.call
        for name in {*call.must, *(() if call.error else call.arguments)}
        if call.tool in SPECS and name not in SPECS[call.tool].arguments.model_fields
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "told"),
    [('saids = "x"', "saids"), ('most_calls = "many"', "most_calls"), ('id = "Not An Id"', "pattern")],
)
def test_a_misspelt_file_is_refused(line: str, told: str, tmp_path: Path) -> None:
    good = {"id": '"a"', "says": '"b"', "guards": '"c"', "way": "[{ call = [] }]"}
    good |= dict([line.split(" = ", 1)])
    text = "[[request]]\n" + "\n".join(f"{name} = {value}" for name, value in good.items())
    (tmp_path / "theme.toml").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=told):
        read_requests(tmp_path)


def test_duplicate_request_id_is_refused(tmp_path: Path) -> None:
    text = '[[request]]\nid = "a"\nsays = "b"\nguards = "c"\nway = [{ call = [] }]\n'
    (tmp_path / "theme.toml").write_text(text * 2, "utf-8")
    with pytest.raises(ValueError, match="a stands twice"):
        read_requests(tmp_path)


# ---- the judge


@pytest.mark.parametrize(
    ("must", "arguments", "kept"),
    [
        ({"element_name": "Mia"}, {"element_name": " Mia "}, True),
        ({"element_name": "Mia"}, {"element_name": "mia"}, False),
        ({"element_name": {"longest": 3}}, {"element_name": "Mia"}, True),
        ({"element_name": {"longest": 3}}, {"element_name": "Mira"}, False),
        ({"element_name": {"contains": "MI"}}, {"element_name": "Mia"}, True),
        ({"frontal_image": "/p/a b.png"}, {"frontal_image": "file:///p/a%20b.png"}, True),
        ({"tags": {"items": ["Animal", "Item"]}}, {"tags": "item, animal"}, True),
        ({"tags": {"items": ["Animal"]}}, {"tags": ["Animal", "Item"]}, False),
        ({"tags": ["Animal", "Item"]}, {"tags": '["Animal", "Item"]'}, True),
        ({"tags": ["Animal", "Item"]}, {"tags": ["Item", "Animal"]}, False),
        ({"tags": {"each_one_of": [["Animal", "o_103"]]}}, {"tags": ["o_103"]}, True),
        ({"tags": {"each_one_of": [["Animal", "o_103"]]}}, {"tags": []}, False),
        ({"wait_seconds": {"most": 60, "least": 5}}, {"wait_seconds": "60"}, True),
        ({"wait_seconds": {"most": 60}}, {"wait_seconds": 61}, False),
        ({"wait_seconds": 45}, {}, True),
        ({"allow_duplicate_name": True}, {}, False),
        ({"element_voice_id": "12"}, {"element_voice_id": 12}, True),
    ],
)
def test_arguments_count_by_what_they_mean(must: dict[str, Any], arguments: dict[str, Any], kept: bool) -> None:
    whole = {"element_name": "Mia", "element_description": "x", "reference_type": "image_refer", **arguments}
    assert keeps(must, Step("create_element_and_wait", whole, "", None, is_error=False)) is kept


def test_arguments_that_the_server_cannot_read_count_as_they_were_sent() -> None:
    step = Step("get_element", {"id": 880000000000000123}, "", None, is_error=True)
    assert keeps({"id": "880000000000000123"}, step)
    assert keeps({"anything": "x"}, Step("no_such_tool", {"anything": "x"}, "", None, is_error=True))


def test_a_look_afterwards_is_no_look_before() -> None:
    looks, makes = Call(tool="list_elements"), Call(tool="create_element")
    in_order = request_for(Way(call=(looks, makes)), ends={"created": [1]})
    assert grade(in_order, play_of(SAW_MIA, MADE, created=1)) == []
    assert grade(in_order, play_of(MADE, SAW_MIA, created=1)) == [
        "no expected way was taken: way 1 lacks call 2 (create_element)"
    ]
    free = request_for(Way(call=(looks, makes), in_order=False), ends={"created": [1]})
    assert grade(free, play_of(MADE, SAW_MIA, created=1)) == []


def test_way_through_what_was_never_made_is_not_taken() -> None:
    """A model may choose another name: then the judge says so, and does not fall over."""
    makes = Call(tool="create_element", shows=("${made.Mia.task}",))
    assert grade(request_for(Way(call=(makes,)), ends={"created": [1]}), play_of(MADE, created=1)) == [
        "no expected way was taken: way 1 lacks call 1 (create_element)"
    ]


def test_call_does_not_match_two_expected_calls() -> None:
    looks = Call(tool="list_elements")
    twice = request_for(Way(call=(looks, looks), in_order=False))
    assert grade(twice, play_of(SAW_MIA)) != []
    assert grade(twice, play_of(SAW_MIA, SAW_MIA)) == []


def test_a_call_counts_only_for_what_it_showed() -> None:
    wanted = request_for(Way(call=(Call(tool="find_elements", also=("list_elements",), shows=("Mia",)),)))
    assert grade(wanted, play_of(SAW_MIA)) == []
    empty = Step("find_elements", {}, "0 elements", {}, is_error=False)
    assert grade(wanted, play_of(empty)) != []
    failed = Step("find_elements", {}, "Mia\nkind=auth created=no retry=never code=- request_id=-", None, True)
    assert grade(wanted, play_of(failed)) != []


def test_a_later_call_may_be_bound_to_an_earlier_answer() -> None:
    bound = Call(tool="get_element", must={"id": "${1.id}"})
    request = request_for(Way(call=(Call(tool="list_elements"), bound)))
    right = Step("get_element", {"id": "310000000000001"}, "", None, is_error=False)
    wrong = Step("get_element", {"id": "310000000000002"}, "", None, is_error=False)
    assert grade(request, play_of(SAW_MIA, right)) == []
    assert grade(request, play_of(SAW_MIA, wrong)) != []


def test_banned_call_is_reported_with_its_arguments() -> None:
    banned = Never.model_validate({"calls": [{"tool": "list_elements", "must": {"page_num": 2}}], "said": ["Mina"]})
    request = request_for(Way(), never=banned)
    second = Step("list_elements", {"page_num": "2"}, "", None, is_error=False)
    assert grade(request, play_of(second)) == ["list_elements was called with {'page_num': 2}"]
    assert grade(request, play_of(answer="It is mina.")) == ["'Mina' was said"]
    assert grade(request, play_of(SAW_MIA)) == []


def test_many_calls_are_too_many() -> None:
    assert grade(request_for(Way(), most_calls=2), play_of(SAW_MIA, SAW_MIA, SAW_MIA)) == ["3 calls, and 2 are enough"]
