"""What counts as the same text, and which pieces of it can be looked for."""

from __future__ import annotations

import pytest
from work import counted_work

from kling_mcp.library.folding import MAX_FOLDED_CHARACTERS, MAX_TOKEN_CHARACTERS, fold, is_dense, name_key, tokens


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("MIA", "mia"),
        ("ＭＩＡ", "mia"),  # full width
        ("Zoë", "zoe"),
        ("Łukasz", "lukasz"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("İstanbul", "istanbul"),
        ("ﬁnn", "finn"),
        ("ｶﾀｶﾅ", "カタカナ"),  # half width
        ("Ω", "ω"),
        ("Ёлка", "елка"),
        ("שָׁלוֹם", "שלום"),
    ],
)
def test_case_accents_and_width_do_not_count(written: str, folded: str) -> None:
    assert fold(written) == folded


@pytest.mark.parametrize("text", ["が", "หมู่", "हिन्दी", "각"])
def test_marks_that_make_another_letter_stay(text: str) -> None:
    assert fold(text) == text


def test_voiced_and_voiceless_kana_differ() -> None:
    assert fold("がいこく") != fold("かいこく")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Mia, the fox!", ["mia", "the", "fox"]),
        ("jean-luc_2", ["jean", "luc", "2"]),
        ("東京都", ["東京", "京都", "都"]),
        ("東京Tower", ["東京", "京", "tower"]),
        ("小 红", ["小", "红"]),
        ("🦊 fox", ["🦊", "fox"]),
        ("❤️‍🔥", ["❤", "🔥"]),
        ("naïve «café»", ["naive", "cafe"]),
        ("हिन्दी फिल्म", ["हिन्दी", "फिल्म"]),
        ("…—!?", []),
        ('say "hi"', ["say", "hi"]),
    ],
)
def test_a_text_is_cut_into_words_and_pairs(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_a_hostile_word_is_cut_short() -> None:
    assert [len(token) for token in tokens("x" * 900 + " é" + "é" * 900)] == [MAX_TOKEN_CHARACTERS] * 2


def test_text_of_megabytes_is_folded_in_its_first_part_alone() -> None:
    """Normal forms take quadratic time on a run of marks, and the rest is linear in its length."""
    for text in ("é" * 1_000_000, "a" + "\u0301\u0323" * 1_000_000, "漢" * 1_000_000, "a " * 1_000_000):
        with counted_work() as work:
            assert len(fold(text)) <= MAX_FOLDED_CHARACTERS
            assert name_key(text) == name_key(text[:MAX_FOLDED_CHARACTERS])
        assert work.calls < 20 * MAX_FOLDED_CHARACTERS


def test_names_that_differ_in_punctuation_share_a_key() -> None:
    assert name_key("Jean-Luc") == name_key("jean luc") == "jean luc"


def test_a_name_of_punctuation_has_a_key_of_its_own() -> None:
    assert name_key("!!!") == "!!!"
    assert name_key("") == ""


@pytest.mark.parametrize(("token", "expected"), [("mia", False), ("café", False), ("東京", True), ("🦊", True)])
def test_character_pairs_are_distinguished_from_words(token: str, expected: bool) -> None:
    assert is_dense(token) is expected
