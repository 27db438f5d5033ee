"""Text from outside is data: it can neither end a line, nor hide, nor pass for words of ours."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import counted_work

from kling_mcp.sanitize import as_shown, clean, identifier, quote, quote_prose, trim


@given(st.text(max_size=400), st.integers(1, 60))
def test_clean_text_is_one_short_line_that_shows_all_it_holds(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert cleaned == clean(cleaned, limit)
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Zl", "Zp", "Cs"}
    cleaned.encode()


def test_speech_inside_a_quoted_sentence_opens_and_closes() -> None:
    assert quote_prose('Mia says: "Hello!" ("softly")') == '"Mia says: “Hello!” (“softly”)"'
    assert quote_prose('"Hello" she says') == '"“Hello” she says"'
    assert quote_prose("x" * 50, 10) == '"xxxxxxxxx…"'
    assert '"' not in quote_prose('a"b" "c')[1:-1]


@given(st.text(max_size=200))
def test_quotes_cannot_be_closed_from_inside(text: str) -> None:
    assert quote(text).count('"') == 2
    assert quote_prose(text).count('"') == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\nlines\tand\x00more", "two lines and more"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("in\u200bvis\u2060i\ufeffble\u00ad", "invisible"),
        ("tags\U000e0041\U000e007f", "tags"),
        ("line\u2028and paragraph\u2029end", "line and paragraph end"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("  much    space  ", "much space"),
        ("👩\u200d👧 می\u200cخواهم", "👩\u200d👧 می\u200cخواهم"),  # joiners stay: emoji and several scripts need them
        ("Ängström 東京 🦊", "Ängström 東京 🦊"),
    ],
)
def test_clean_shows_harmless_text_and_escapes_the_rest(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_cut_of_a_long_text_is_visible() -> None:
    assert clean("x" * 500, 10) == "xxxxxxxxx…"
    assert clean("x" * 10, 10) == "x" * 10


def test_a_huge_text_costs_little() -> None:
    assert clean(" " * 50_000_000 + "end", 10) == ""


@pytest.mark.parametrize("text", ["\u200b" * 9, " \u200b \ufeff", "\u202e \n"])
def test_ends_of_a_text_lose_invisible_characters_and_spaces(text: str) -> None:
    assert trim(f"{text}a \u200b b{text}") == "a \u200b b"
    assert trim(text) == ""


@pytest.mark.parametrize("text", ["\u200b", " \u200b", " "])
def test_endless_ends_of_a_text_are_not_walked(text: str) -> None:
    with counted_work() as work:
        trim(text * 1_000_000 + "a" + text * 1_000_000)
        trim(text * 1_000_000)
    assert work.calls < 20_000


def test_a_quoted_text_keeps_its_meaning() -> None:
    assert quote('the "real" Mia') == '"the ”real” Mia"'


ALIKE = [
    "a",
    "é",
    "e\u0301",
    " ",
    "\u00a0",
    "\u3000",
    "\u200b",
    "\u200d",
    "\u200f",
    "\ufe0f",
    "山",
    "❤",
    "\u212a",
    "か",
    "\u3099",
]


@given(st.one_of(st.text(max_size=60), st.text(st.sampled_from("".join(ALIKE)), max_size=12)))
def test_a_shown_text_looks_like_itself(text: str) -> None:
    shown = as_shown(text)
    assert as_shown(shown) == shown
    assert as_shown(clean(text, 1000)) == shown
    assert as_shown(f"\u200b {text}\u3000\u200e") == shown


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("山田\u3000太郎", "山田 太郎"),
        ("Mia\u00a0Rose", "Mia Rose"),
        ("Chat\u202f!", "Chat !"),
        ("Leo  Two", "Leo Two"),
        ("Leo ", "Leo"),
        ("Mia\u200b", "Mia"),
        ("Mi\u00ada", "Mia"),
        ("Mia\u200d", "Mia"),
        ("Mia\ufe0f", "Mia"),
        ("Mia \u200d Rose", "Mia Rose"),
        ("\u200fليلى", "ليلى"),
        ("Zoe\u0308", "Zoë"),
        ("Zoe\u200b\u0308", "Zoë"),
        ("\u212bsa", "Åsa"),
        ("김\u3164", "김"),
    ],
)
def test_texts_that_look_the_same_are_shown_the_same(one: str, other: str) -> None:
    assert as_shown(one) == as_shown(other) == other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mia", "mia"),
        ("Zoë", "Zoe"),
        ("MiaRose", "Mia Rose"),
        ("ＭＩＡ", "MIA"),
        ("Mia", "Мia"),
        ("👩\u200d👧", "👩👧"),
    ],
)
def test_texts_that_look_different_are_shown_differently(one: str, other: str) -> None:
    assert as_shown(one) != as_shown(other)


class TestWords:
    """Ids in a text of ours stand bare, where they are words."""

    @pytest.mark.parametrize("text", ["829836802793406551", "kmcp-4f1c09", "o_102", "Character", "a.b:c@d+e", "東京"])
    def test_plain_identifier_is_shown_without_quotes(self, text: str) -> None:
        assert identifier(text) == text

    @pytest.mark.parametrize("text", ["two words", "a;b", "x=y", "a\nb", "a,b", ""])
    def test_text_that_is_no_identifier_is_quoted(self, text: str) -> None:
        assert identifier(text) == quote(text)


class TestNamesAsShown:
    """Names that look the same are the same, and what an answer shows can be handed back."""

    @pytest.mark.parametrize(
        ("name", "twin"),
        [
            ("山田\u3000太郎", "山田 太郎"),
            ("Mia\u00a0Rose", "Mia Rose"),
            ("Chat\u202f!", "Chat !"),
            ("Leo  Two", "Leo Two"),
            ("Leo ", "Leo"),
            ("Mia\u200b", "Mia"),
            ("M\u00adi\u2060a", "Mia"),
            ("\u200fليلى", "ليلى"),
            ("Zoe\u0308", "Zoë"),
            ("Zoe\u200b\u0308", "Zoë"),
            ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
            ("Mi\u200da", "Mia"),
            ("Mia \u200d Rose", "Mia Rose"),
            ("東\u200d京", "東京"),
            ("Mia\u3164Rose", "Mia Rose"),
            ("Mia\u2800", "Mia"),
            ('Max "Axe"', "Max ”Axe”"),
        ],
    )
    def test_names_that_look_the_same_are_equal(self, name: str, twin: str) -> None:
        assert as_shown(name) == as_shown(twin)

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("Mia", "mia"),
            ("Zoë", "Zoe"),
            ("ＭＩＡ", "MIA"),
            ("MiaRose", "Mia Rose"),
            ("Mia-Rose", "Mia Rose"),
            ("👩\u200d👧", "👩👧"),
            ("می\u200cخواهم", "میخواهم"),
        ],
    )
    def test_names_that_look_different_are_not_equal(self, name: str, other: str) -> None:
        assert as_shown(name) != as_shown(other)

    @given(st.text(max_size=60) | st.text('a \u200b\u200c\u200d\u00a0\u0308ë👩\u2800م"”', max_size=20))
    def test_name_that_an_answer_shows_is_equal_to_the_real_one(self, name: str) -> None:
        once = as_shown(name)
        assert once == as_shown(once) == as_shown(quote(name, 300)[1:-1]) == as_shown(clean(name, 300))

    def test_name_of_megabytes_is_compared_by_its_first_part(self) -> None:
        """Composing a long run of accents takes quadratic time, which would stop everybody."""
        for text in ("a" + "\u0301\u0323" * 1_000_000, "\u200d" * 2_000_000, "é\u200b" * 1_000_000):
            assert as_shown(text) == as_shown(text[:2000])
