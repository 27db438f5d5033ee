"""Which names a prompt mentions, and what is written in their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.generation.prompt import MAX_MENTIONS, Prompt, choose, words_after_at


def meant(text: str, *known: str) -> list[str]:
    """The known name that each mention means, or what it is told by."""
    prompt = Prompt(text)
    found = []
    for mention in prompt.mentions:
        chosen = choose(mention, known)
        found.append(mention.media or (chosen[0] if chosen else f"?{mention.shortest(text)}"))
    return found


def rendered(text: str, handles: dict[str, str]) -> str:
    """The text with a handle for each known name and each picture."""
    prompt = Prompt(text)
    places = {}
    for mention in prompt.mentions:
        if mention.media:
            places[mention.start] = (handles[mention.media], mention.end)
        elif chosen := choose(mention, list(handles)):
            places[mention.start] = (handles[chosen[0]], chosen[1])
    return prompt.render(places)


@pytest.mark.parametrize(
    ("text", "known", "names"),
    [
        ("@Mia waves", ["Mia"], ["Mia"]),
        ("@Mia Rose waves", ["Mia", "Mia Rose"], ["Mia Rose"]),
        ("@Mia Rose waves", ["Mia"], ["Mia"]),
        ("@Mia and @Sara dance", ["Mia", "Sara"], ["Mia", "Sara"]),
        ("@Mia's red coat", ["Mia"], ["Mia"]),
        ("(@Mia), @Sara.", ["Mia", "Sara"], ["Mia", "Sara"]),
        ("@Miami at night", ["Mia"], ["?Miami"]),
        ("@Hero 5 runs", ["Hero", "Hero 5", "Hero 50"], ["Hero 5"]),
        ("@Hero 50 runs", ["Hero 5", "Hero 50"], ["Hero 50"]),
        ("@山田走る", ["山田"], ["山田"]),
        ("今日は@山田 太郎が走る", ["山田", "山田 太郎"], ["山田 太郎"]),
        ("@민지가 웃는다", ["민지"], ["민지"]),
        ("@Zoë lächelt", ["Zoë"], ["Zoë"]),
        ("@{Mia} Rose waves", ["Mia", "Mia Rose"], ["Mia"]),
        ("@{Mia}bella waves", ["Mia"], ["Mia"]),
        ("@mia waves", ["Mia"], ["?mia"]),
        ("@Nobody waves", [], ["?Nobody"]),
        ("@A.B. waves", ["A.B."], ["A.B."]),
        ("@image_1 walks to @video_1 and @image_12", [], ["image_1", "video_1", "image_12"]),
        ("@image_1st", ["Mia"], ["?image_1st"]),
        ("@Mia@Sara", ["Mia", "Sara"], ["Mia", "Sara"]),
    ],
)
def test_longest_known_name_is_meant(text: str, known: list[str], names: list[str]) -> None:
    assert meant(text, *known) == names


@pytest.mark.parametrize(
    "text",
    ["meet @ five", "jane@example.com writes", "a @@Mia tag", "a.b+c@host", "the end @", "@\nMia", "@, @. @!"],
)
def test_sign_without_a_name_after_it_is_plain_text(text: str) -> None:
    prompt = Prompt(text)
    assert [mention for mention in prompt.mentions if choose(mention, ["Mia"]) or not mention.may_be_text] == []
    assert rendered(text, {"Mia": "<1>"}) == text.replace("@@", "@")


def test_name_is_not_read_across_a_line_end() -> None:
    assert meant("@Mia\nRose", "Mia", "Mia\nRose") == ["Mia"]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("@Mia waves", "<1> waves"),
        ("@Mia's coat", "<1>'s coat"),
        ("@山田走る", "<2> 走る"),
        ("今日は@山田", "今日は <2>"),
        ("@{Mia}bella", "<1> bella"),
        ("@@Mia is @Mia", "@Mia is <1>"),
        ("@Mia@image_1", "<1> <i>"),
        ("@Mia@山田", "<1> <2>"),
        ("@image_1.", "<i>."),
    ],
)
def test_handle_replaces_the_name_and_touches_no_word(text: str, sent: str) -> None:
    assert rendered(text, {"Mia": "<1>", "山田": "<2>", "image_1": "<i>"}) == sent


@given(st.text(st.sampled_from("@{}M ia_1山é\n.x"), max_size=60))
def test_any_text_can_be_read_and_keeps_what_is_not_mentioned(text: str) -> None:
    prompt = Prompt(text)
    starts = [mention.start for mention in prompt.mentions]
    assert starts == sorted(set(starts))
    assert all(text[mention.start] == "@" and mention.start < mention.end <= len(text) for mention in prompt.mentions)
    assert prompt.render({}) == text.replace("@@", "@")
    for mention in prompt.mentions:
        ends = [end for _, end in mention.names]
        assert ends == sorted(ends, reverse=True)


def test_number_of_mentions_that_are_looked_at_is_bounded() -> None:
    assert len(Prompt("@a " * 5000).mentions) == MAX_MENTIONS + 1


@pytest.mark.parametrize("text", ["<<<element_1>>> waves", "see <<image_1>>", "<<<x>>>"])
def test_handle_written_by_hand_is_found(text: str) -> None:
    """fact: handle-wrong-is-billed"""
    assert Prompt(text).handles


def test_plain_angle_brackets_are_no_handle() -> None:
    assert Prompt("a <b> << c >> 1 < 2").handles == ()


def test_words_after_a_sign_are_listed_for_the_choice_of_handles() -> None:
    assert words_after_at("write to @gmail or @Mia-Rose, now") == ("gmail", "Mia-Rose")
