"""Names, descriptions, tags and ids: refused with something that works, never changed behind one's back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_mcp.api.limits import TAGS
from kling_mcp.elements import text_rules as texts
from kling_mcp.elements.shorten import suggest_description
from kling_mcp.elements.text_rules import tag_id
from kling_mcp.errors import InputError, Problem


def refusal(error: pytest.ExceptionInfo[InputError]) -> Problem:
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize(
    "name", ["M", "Mia", "x" * 20, "咖啡师" * 6 + "米娅", "👩‍🍳", "  Mia\n", "ミア　タナカ", "Zoë d'Or"]
)
def test_a_name_of_one_to_twenty_characters_is_sent_as_it_is(name: str) -> None:
    """fact: name-20"""
    assert texts.check_name(name) == name.strip()


def test_a_long_name_is_refused_with_names_that_fit() -> None:
    with pytest.raises(InputError) as error:
        texts.check_name("Isabel the Magnificent Flying Unicorn")
    problem = refusal(error)
    assert problem.argument == "element_name"
    assert problem.rule == "must have at most 20 characters"
    assert problem.actual.startswith("37 characters")
    assert problem.fix == 'choose a shorter name, such as "Isabel Unicorn", "Isabel".'


def test_a_name_without_a_place_to_cut_is_refused_without_suggestions() -> None:
    with pytest.raises(InputError) as error:
        texts.check_name("\u0301" * 30)
    assert refusal(error).fix == "choose a shorter name."


@pytest.mark.parametrize("length", [1, 100])
def test_a_description_within_the_limit_is_sent_as_it_is(length: int) -> None:
    """fact: description-100"""
    assert texts.check_description("米" * length) == "米" * length


def test_a_long_description_is_refused_with_how_much_to_cut_and_a_proposal() -> None:
    with pytest.raises(InputError) as error:
        texts.check_description("A barista with short red hair, " * 4)
    problem = refusal(error)
    assert problem.rule == "must have at most 100 characters"
    assert problem.actual.startswith("123 characters")
    assert "by 23 or more" in problem.fix
    assert problem.fix.endswith(', A barista with short red hair".')


@settings(max_examples=40)
@given(st.text(min_size=101, max_size=150))
def test_a_proposed_description_always_fits(text: str) -> None:
    assert len(suggest_description(text, 100)) <= 100


def test_a_description_that_is_one_long_word_is_cut_where_it_must() -> None:
    assert suggest_description("see " + "x" * 200, 100) == "see " + "x" * 96


@pytest.mark.parametrize("given", ["8.29836802793407E+17", "829836802793406551.0"])
def test_voice_id_from_a_spreadsheet_is_called_rounded(given: str) -> None:
    with pytest.raises(InputError) as error:
        texts.check_voice_id(given)
    assert refusal(error).actual == f'"{given}", which was rounded on the way'


@pytest.mark.parametrize("check", [texts.check_name, texts.check_description])
@pytest.mark.parametrize(
    ("text", "actual"),
    [
        ("", "an empty text"),
        (" \n ", "an empty text"),
        ("Mia\nBarista", 'U+000A as character 4 of "Mia Barista"'),
        ("Mi\x07a", "U+0007 as character 3"),
        ("Mia\u202e", "U+202E as character 4"),
        ("Mi\u200ba", "U+200B as character 3"),
        ("Mi\ud800a", "U+D800 as character 3"),
        ("Mi\u2028a", "U+2028 as character 3"),
    ],
)
def test_texts_that_cannot_be_seen_are_refused(check: object, text: str, actual: str) -> None:
    assert callable(check)
    with pytest.raises(InputError) as error:
        check(text)
    assert refusal(error).actual.startswith(actual)


def test_emoji_that_may_count_twice_are_warned_about() -> None:
    """fact: name-20. Kling does not say what it counts."""
    assert texts.warn_of_double_count("element_name", "😀" * 10, 20) == ""
    warning = texts.warn_of_double_count("element_name", "😀" * 11, 20)
    assert "element_name has 11 characters, but 22" in warning
    assert "nothing would be lost" in warning


@pytest.mark.parametrize("known_id", list(TAGS))
def test_a_tag_is_known_by_id_and_by_name_in_any_case(known_id: str) -> None:
    name = TAGS[known_id]
    for given_as in (known_id, known_id.upper(), name, name.lower(), f" {name.upper()} "):
        assert tag_id(given_as) == known_id


@pytest.mark.parametrize(
    ("given_as", "fix"),
    [
        ("Charakter", "did you mean Character?"),
        ("other", "did you mean Others?"),
        ("person", "did you mean Character?"),
        ("Background", "did you mean Scene?"),
        ("Pets", "did you mean Animal?"),
        ("dog", "did you mean Animal?"),
        ("o_109", "choose one of the eight."),
        ("", "choose one of the eight."),
    ],
)
def test_an_unknown_tag_is_answered_with_the_nearest(given_as: str, fix: str) -> None:
    with pytest.raises(InputError) as error:
        tag_id(given_as)
    problem = refusal(error)
    assert problem.fix == fix
    assert "Character (o_102)" in problem.rule


def test_every_unknown_tag_is_reported_with_its_place() -> None:
    with pytest.raises(InputError) as error:
        texts.check_tags(("Character", "Robot", "o_1"))
    assert [problem.argument for problem in error.value.problems] == ["tags[1]", "tags[2]"]


def test_tags_keep_their_order_and_lose_repeats() -> None:
    assert texts.check_tags(("scene", "o_102", "Character", "Scene")) == ("o_106", "o_102")


@pytest.mark.parametrize("voice_id", ["829836802793406551", " 829836802793406551 ", "7", "1" * 20])
def test_a_voice_id_is_digits(voice_id: str) -> None:
    """fact: voice-record"""
    assert texts.check_voice_id(voice_id) == voice_id.strip()


@pytest.mark.parametrize("voice_id", ["Warm Female", "-1", "１２３", "1" * 21, " "])
def test_a_voice_name_is_refused_with_a_word_on_the_catalogues(voice_id: str) -> None:
    """fact: voice-catalogues"""
    with pytest.raises(InputError) as error:
        texts.check_voice_id(voice_id)
    assert "three separate catalogues" in refusal(error).fix


@pytest.mark.parametrize("value", ["a", "kmcp-4f1c09", "x" * 64, "a.b:c_d~e!", "..."])
def test_an_external_task_id_of_plain_characters_passes(value: str) -> None:
    assert texts.check_external_task_id(value) == value


@pytest.mark.parametrize("value", [" ", "x" * 65, "a b", "a/b", "a?b", "a#b", "a%2F", ".", "..", "米娅", "a\x00", "é"])
def test_an_external_task_id_that_would_break_a_path_is_refused(value: str) -> None:
    with pytest.raises(InputError) as error:
        texts.check_external_task_id(value)
    assert refusal(error).argument == "external_task_id"
