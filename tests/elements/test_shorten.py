"""Names for an element whose name is too long: such as a person would choose, or none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.elements.shorten import suggest_names
from kling_mcp.library.small_words import SMALL_WORDS

WORDS = ["Isabel", "the", "of", "with", "Unicorn", "(old)", "2", "v03", "und", "Rex", "-", ",", "&", "la", "B"]


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("Isabel the Magnificent Flying Unicorn", ("Isabel Unicorn", "Isabel")),
        ("Isabel the Unicorn with Rainbow Mane", ("Isabel Unicorn", "Isabel the Unicorn")),
        ("Isabel - the very magical unicorn", ("Isabel",)),
        ("Captain Jonathan Archibald Sparrow", ("Captain Sparrow", "Captain Jonathan")),
        ("The Old Captain of the Northern Sea", ("Old Captain", "The Old Captain")),
        ("Princess of the Moon in a green dress", ("Princess", "Princess of the Moon")),
        ("Anna Maria Louise Bernadotte", ("Anna Bernadotte", "Anna Maria Louise")),
        ("Jean Maximilian Featherstonehaugh", ("Jean Maximilian",)),
        ("Jean Claude Bo the Third", ("Jean Claude Bo Third", "Jean Claude Bo")),
        ("Spider-Man (the Amazing Hero)", ("Spider-Man",)),
        ("The Amazing Spider-Man Hero", ("Amazing Hero",)),
        ("O'Brien's Grand Old Pub Keeper", ("O'Brien's Keeper", "O'Brien's Grand Old")),
        ("Dr. Emma J. Watson-Smith, the surgeon", ("Dr Watson-Smith", "Dr. Emma")),
        ("Princess Isabel & the Unicorn of Light", ("Princess Isabel",)),
        ("Vitamin A bottle with a shiny label", ("Vitamin A bottle",)),
    ],
)
def test_suggested_names_are_whole_and_end_with_a_telling_word(name: str, fitting: tuple[str, ...]) -> None:
    assert suggest_names(name, 20) == fitting


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("Isabel the Magnificent Unicorn 2", ("Isabel Unicorn 2", "Isabel 2")),
        ("Isabel Unicorn, final version (2)", ("Isabel Unicorn 2",)),
        ("Isabel, the Unicorn of the Lake II", ("Isabel Unicorn II", "Isabel II")),
        ("Isabel Rainbow Unicorn Princess of the Sky B", ("Isabel Princess B", "Isabel Rainbow B")),
        ("Isabel Unicorn - young version - v03", ("Isabel Unicorn v03",)),
        ("Episode 16 Scene 3 Rex the Dragon", ("Episode 16 Scene 3",)),
        ("Hero of the Dark Forest 010", ("Hero 010",)),
        ("Hero 010 in the dark forest at night", ("Hero 010",)),
        ("mia_barista_green_apron_v2", ("mia_apron_v2", "mia_barista_green_v2")),
        ("ep16_Rex_the_terrible_dragon_king", ("ep16_Rex_king", "ep16_Rex")),
        ("isabel-the-unicorn-princess-02", ("isabel-princess-02", "isabel-02")),
    ],
)
def test_numbers_that_tell_variants_apart_are_kept(name: str, fitting: tuple[str, ...]) -> None:
    assert suggest_names(name, 20) == fitting


@pytest.mark.parametrize(
    ("name", "fitting"),
    [
        ("Isabel das fliegende Einhorn", ("Isabel Einhorn", "Isabel")),
        ("Der alte Kapitän von der Insel Föhr", ("alte Kapitän", "Der alte Kapitän")),
        ("Isabel la unicornio mágica del bosque", ("Isabel unicornio", "Isabel")),
        ("El gato negro de Isabel con sombrero", ("gato negro", "El gato negro")),
        ("Isabelle la licorne magique de la forêt", ("Isabelle licorne", "Isabelle")),
        ("Принцесса Анастасия из далёкого королевства", ("Принцесса Анастасия",)),
        ("赤い髪のバリスタ、緑のエプロンを着たミアさん", ("赤い髪のバリスタ", "緑のエプロンを着たミアさん")),
        ("小红帽 12 在森林里的奇妙冒险故事集锦大全", ("小红帽 12", "12 在森林里的奇妙冒险故事集锦大全")),
    ],
)
def test_names_in_other_languages_end_with_a_phrase(name: str, fitting: tuple[str, ...]) -> None:
    assert suggest_names(name, 20) == fitting


@pytest.mark.parametrize(
    "name",
    [
        "x" * 21,
        "穿着绿色围裙的红色短发咖啡师米娅小姐姐和猫",
        "นักชงกาแฟผมสีแดงใส่ผ้ากันเปื้อน",
        "빨간 머리 바리스타 이사벨과 초록 앞치마 소녀",
        "👨‍👩‍👧‍👦" * 4,
        "The of and the with from into onto over under",
        "12345678901234567890123 Mia",
        "",
    ],
)
def test_name_without_a_sensible_place_to_cut_has_no_suggestion(name: str) -> None:
    assert suggest_names(name, 20) == ()


@given(st.lists(st.sampled_from(WORDS), min_size=6))
def test_suggestions_keep_all_numbers_and_leave_nothing_dangling(words: list[str]) -> None:
    name = " ".join(words)
    known = {word.strip("()-,&") for word in words}
    for shorter in suggest_names(name, 20):
        parts = shorter.split()
        assert len(shorter) <= 20
        assert {part.strip("()-,&") for part in parts} <= known
        assert set(re.findall(r"\d+", name)) == set(re.findall(r"\d+", shorter))
        assert parts[-1].lower() not in SMALL_WORDS
        assert parts[-1][-1] not in "-,&("


@given(st.text(min_size=21, max_size=60))
def test_suggested_names_are_few_different_and_short_enough(name: str) -> None:
    fitting = suggest_names(name, 20)
    assert len(fitting) <= 3
    assert len(set(fitting)) == len(fitting)
    assert all(0 < len(shorter) <= 20 for shorter in fitting)
