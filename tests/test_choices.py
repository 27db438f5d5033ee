"""Which word was meant: by meaning, by spelling, and never a dearer amount."""

from __future__ import annotations

from typing import get_args

import pytest

from kling_mcp.choices import nearest
from kling_mcp.generation.models import Audio, VideoResolution

RATIOS = ("16:9", "9:16", "1:1")


@pytest.mark.parametrize(
    ("given", "choices", "meant"),
    [
        ("portrait", RATIOS, "9:16"),
        ("Vertical (phone)", RATIOS, "9:16"),
        ("landscape", RATIOS, "16:9"),
        ("square", RATIOS, "1:1"),
        ("on", get_args(Audio), "native"),
        ("with sound", get_args(Audio), "native"),
        ("none", get_args(Audio), "off"),
        ("HD", get_args(VideoResolution), "720p"),
        ("1080", get_args(VideoResolution), "1080p"),
    ],
)
def test_word_of_the_field_is_understood(given: str, choices: tuple[str, ...], meant: str) -> None:
    assert nearest(given, choices) == meant


@pytest.mark.parametrize(("given", "choices"), [("8k", get_args(VideoResolution)), ("5:4", RATIOS), ("480p", ("4k",))])
def test_amounts_that_differ_are_no_spelling_mistake(given: str, choices: tuple[str, ...]) -> None:
    assert nearest(given, choices) == ""


def test_misspelt_word_is_found_by_its_spelling() -> None:
    assert nearest("natve", get_args(Audio)) == "native"
    assert nearest("omni-video/kling-o2", ("omni-video/kling-o1",)) == "omni-video/kling-o1"
