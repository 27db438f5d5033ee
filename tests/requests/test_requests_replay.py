"""Every request can be done: its expected calls are made on the real server, in both protocol eras, and judged.

And the judge is no rubber stamp: the same plays, spoilt, must not pass.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# At the end: the folder has the name of a library, so it can be no package, and must not come first.
sys.path.append(str(Path(__file__).parent))

from evaluation.grading import Play, grade
from evaluation.replay import UnprovenError, check_answer, replay, replay_careless, require_in_texts, tools_missing
from evaluation.scene import KEY, Step, with_known_names
from evaluation.sheets import Call, Careless, Request, Way, read_requests

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

ERAS = ("auto", "legacy")


def plays() -> Iterator[tuple[str, Request, int, str]]:
    """Every way in one era; every request in both, be it by the ways it has."""
    for number, request in enumerate(read_requests()):
        eras = ERAS[number % 2 :] + ERAS[: number % 2]
        for place in range(max(len(request.way), 2)):
            way, era = place % len(request.way), eras[place % 2]
            yield f"{request.id}-way{way + 1}-{era}", request, way, era


PLAYS = list(plays())


@pytest.mark.parametrize(("wish", "way", "era"), [play[1:] for play in PLAYS], ids=[play[0] for play in PLAYS])
async def test_the_expected_calls_do_what_was_asked(wish: Request, way: int, era: str, tmp_path: Path) -> None:
    if missing := tools_missing(wish.way[way]):
        pytest.skip(f"this server does not offer {', '.join(missing)}")
    play = await replay(wish, wish.way[way], tmp_path / "scene", era)
    assert grade(wish, play) == []
    assert not re.search(r"\$\{[a-z]", with_known_names(wish.says, play.facts)), "a name that means nothing"
    passed = [name for name, spoilt in spoil(wish, play) if not grade(wish, spoilt)]
    assert passed == [], "these must not pass"


CARELESS = [
    (f"{request.id}-{number}", request, careless, ERAS[number % 2])
    for request in read_requests()
    for number, careless in enumerate(request.careless, 1)
]


@pytest.mark.parametrize(("wish", "careless", "era"), [row[1:] for row in CARELESS], ids=[row[0] for row in CARELESS])
async def test_careless_agent_does_not_pass(wish: Request, careless: Careless, era: str, tmp_path: Path) -> None:
    """Each fails for the reason that its request is there for, not for an accident."""
    reasons = grade(wish, await replay_careless(wish, careless, tmp_path / "scene", era))
    assert [reason for reason in reasons if careless.refused in reason], reasons


def spoil(request: Request, play: Play) -> Iterator[tuple[str, Play]]:
    """The same play with something in it that no request allows."""
    ending, changes = play.ending, {call.tool for way in request.way for call in way.call}
    yield "says nothing", replace(play, answer="  ")
    yield "shows the key", replace(play, answer=f"{play.answer} {KEY}")
    yield "gave up", replace(play, stopped="no time left")
    yield "makes one more", replace(play, ending=replace(ending, created=max(request.ends.created) + 1))
    yield "pays more", replace(play, ending=replace(ending, units=ending.units + 1))
    yield "deletes one more", replace(play, ending=replace(ending, deleted=ending.deleted | {"310000000000000"}))
    if request.tells or request.answers:
        yield "tells no fact", replace(play, answer="Hm.")
    if all(way.call for way in request.way):
        yield "calls nothing", replace(play, steps=())
    if "delete_element" not in changes:
        unasked = Step("delete_element", {"element_id": "1", "element_name": "1"}, "", None, is_error=False)
        yield "tries to delete", replace(play, steps=(*play.steps, unasked))
    if not any(tool.startswith("create_") for tool in changes):
        unasked = Step("create_element", {"element_name": "Mia"}, "", None, is_error=False)
        yield "tries to create", replace(play, steps=(*play.steps, unasked))


# ---- what the replay would notice

ANSWER = Step("get_element", {}, "Ready: Mia 31", {"element_ids": ["31"], "name": "Mia"}, is_error=False)
REFUSED = Step("get_element", {}, "No.\nkind=not_found created=no retry=never code=- request_id=-", None, is_error=True)


@pytest.mark.parametrize(
    ("step", "expected", "told"),
    [
        (REFUSED, {}, "ended as not_found"),
        (ANSWER, {"error": "not_found"}, "ended as a success"),
        (replace(ANSWER, text="Traceback", structured=None, is_error=True), {"error": "auth"}, "ended as ?"),
        (ANSWER, {"shows": ["32"]}, "does not say '32'"),
        (ANSWER, {"shows": ["Ready"]}, "does not say 'Ready' in both forms"),
        (replace(ANSWER, text="Ready"), {}, "only the structured content of get_element says"),
        (ANSWER, {"hides": ["31"]}, "says ['31']"),
        (ANSWER, {"longest": 5}, "answers with 13 and"),
        (ANSWER, {"pictures": 1}, "shows 0 pictures"),
    ],
)
def test_an_answer_that_lacks_something_is_no_proof(step: Step, expected: dict[str, object], told: str) -> None:
    call = Call.model_validate({"tool": "get_element", **expected})
    with pytest.raises(UnprovenError) as caught:
        check_answer(step, call, list(call.shows), list(call.hides))
    assert told in str(caught.value)


def test_answer_that_has_everything_is_a_proof() -> None:
    call = Call(tool="get_element", shows=("31", "Mia"), hides=("32",), longest=60)
    check_answer(ANSWER, call, list(call.shows), list(call.hides))


def test_values_that_the_next_call_needs_must_be_in_the_text() -> None:
    following = Call(tool="delete_element", arguments={"element_id": "${1.element_ids.0}"})
    require_in_texts(following, {1: ANSWER})
    with pytest.raises(UnprovenError, match=r"element_ids.0 stands in the structured content and not in the text"):
        require_in_texts(following, {1: replace(ANSWER, text="Ready: Mia")})


async def test_a_fact_that_no_result_holds_is_no_fact(tmp_path: Path) -> None:
    way = Way(call=(Call(tool="list_elements"),))
    request = Request(id="r", says="?", guards="!", way=(way,), tells=(("nowhere",),))
    with pytest.raises(UnprovenError, match=r"no result says one of .*nowhere"):
        await replay(request, way, tmp_path / "scene")
    failing = Way(call=(Call(tool="list_elements", error="auth"),))
    with pytest.raises(UnprovenError, match=r"list_elements ended as a success, not auth"):
        await replay(request, failing, tmp_path / "other")
