"""How many typing errors are forgiven, and how far two words are apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.library.spelling import distance, errors_allowed, has_spelling, intact_ends

WORDS = st.text("abcé東", max_size=8)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("mia", "mia", 0),
        ("mia", "mai", 1),  # two neighbours swapped
        ("mia", "mias", 1),
        ("mia", "ma", 1),
        ("mia", "mea", 1),
        ("christopher", "kristofer", 3),
        ("", "ab", 2),
        ("mia", "leonardo", 3),
    ],
)
def test_distance_counts_single_errors(one: str, other: str, expected: int) -> None:
    assert distance(one, other, 2) == min(expected, 3)


@given(WORDS, WORDS)
def test_distance_is_the_same_both_ways(one: str, other: str) -> None:
    assert distance(one, other, 4) == distance(other, one, 4)


@given(WORDS, WORDS)
def test_a_bound_only_hides_what_is_further(one: str, other: str) -> None:
    assert distance(one, other, 1) == min(distance(one, other, 9), 2)


@pytest.mark.parametrize(
    ("word", "errors"),
    [("mi", 0), ("mia", 1), ("barista", 1), ("princess", 2), ("clip7", 0), ("12345678", 0), ("r2d2", 0)],
)
def test_numbers_are_never_corrected(word: str, errors: int) -> None:
    assert errors_allowed(word) == errors


def test_a_single_letter_has_no_spelling() -> None:
    assert not has_spelling("x")
    assert has_spelling("ox")


@given(st.text("abcd", min_size=3, max_size=7), st.text("abcd", min_size=3, max_size=7))
def test_single_typing_error_leaves_one_end_of_the_word_intact(word: str, typed: str) -> None:
    """Unless it swapped the letters on both sides of the cut, for which there is a look of its own."""
    if distance(word, typed, 1) != 1:
        return
    start, end = intact_ends(typed, 1)
    cut = len(start)
    swapped = typed[: cut - 1] + typed[cut : cut + 1] + typed[cut - 1] + typed[cut + 1 :]
    assert word.startswith(start) or word.endswith(end) or word == swapped
