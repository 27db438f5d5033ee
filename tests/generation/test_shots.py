"""How shots are written, what is refused, and both forms in which they are sent."""

from __future__ import annotations

import pytest

from kling_mcp.generation.shots import check_shot, join_shots, list_shots, looks_like_shots, parse_shots


@pytest.mark.parametrize(
    ("text", "seconds", "said"),
    [
        ("3: Mia waves", 3, "Mia waves"),
        ("3s: Mia waves", 3, "Mia waves"),
        (" 12 seconds - Mia: waves ", 12, "Mia: waves"),
        ("2, a door", 2, "a door"),
        ("1：门", 1, "门"),
        ("4: two\nlines", 4, "two\nlines"),
    ],
)
def test_shot_is_read_as_seconds_and_text(text: str, seconds: int, said: str) -> None:
    (shot,), problems = parse_shots([text])
    assert (shot.seconds, shot.prompt.text, problems) == (seconds, said, [])


@pytest.mark.parametrize("text", ["Mia waves", "3:", "0: Mia", "1.5: Mia", ": Mia", "", "-3: Mia", "3 Mia"])
def test_shot_without_whole_seconds_and_text_is_refused(text: str) -> None:
    shots, (problem,) = parse_shots([text])
    assert shots == ()
    assert problem.argument == "shots[0]"
    assert '"3: @Mia waves"' in problem.fix


def test_error_lists_every_unreadable_shot() -> None:
    shots, problems = parse_shots(["3: a", "b", "2: c", "d"])
    assert [shot.seconds for shot in shots] == [3, 2]
    assert [problem.argument for problem in problems] == ["shots[1]", "shots[3]"]


def test_more_than_six_shots_are_refused() -> None:
    """fact: gen30-shots"""
    assert parse_shots(["1: a"] * 6)[1] == []
    (problem,) = parse_shots(["1: a"] * 7)[1]
    assert (problem.argument, problem.rule, problem.actual) == ("shots", "must hold at most 6 shots", "7")


def test_text_of_a_shot_has_512_characters_at_most() -> None:
    """facts: gen30-shots, old-omni-fields"""
    assert check_shot(0, "a" * 512, joined=False) is None
    problem = check_shot(2, "a" * 513, joined=False)
    assert problem is not None
    assert problem.argument == "shots[2]"


def test_error_names_a_very_long_shot_by_its_length() -> None:
    (shot,), problems = parse_shots(["3: " + "a" * 900])
    assert problems == []
    assert check_shot(0, shot.prompt.text, joined=False) is not None


def test_semicolon_is_refused_only_where_it_ends_a_shot() -> None:
    """fact: gen30-shot-text"""
    assert check_shot(0, "Mia waves; Sara laughs", joined=True) is not None
    assert check_shot(0, "Mia waves; Sara laughs", joined=False) is None


def test_newer_standard_gets_the_shots_in_one_prompt() -> None:
    """fact: gen30-shot-text"""
    assert join_shots([(2, "@Mia waves"), (3, "a door")]) == "shot 1, 2, @Mia waves; shot 2, 3, a door;"


def test_older_standard_gets_a_list_of_shots() -> None:
    """facts: old-omni-fields, old-duration-text"""
    assert list_shots([(2, "a"), (3, "b")]) == [
        {"index": 1, "prompt": "a", "duration": "2"},
        {"index": 2, "prompt": "b", "duration": "3"},
    ]


def test_prompt_that_sets_out_shots_is_noticed() -> None:
    assert looks_like_shots("shot 1, 2, a door; shot 2, 3, Mia;")
    assert not looks_like_shots("a shot of a door, 2 people")
