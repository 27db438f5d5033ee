"""KLING_MCP_EXTRA_MODELS: which entries are taken, and the sentence that refuses all others."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest

from kling_mcp.errors import ConfigurationError
from kling_mcp.generation.models import VideoModel
from kling_mcp.settings import Settings
from kling_mcp.settings.extra_models import LISTED, NAME


def read(value: str) -> list[tuple[str, str, str, Decimal | None]]:
    return [tuple(model) for model in Settings.from_env({NAME: value}).extra_models]  # type: ignore[misc]  # of four


def refusal(value: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(value)
    return caught.value.message


@pytest.mark.parametrize(
    ("value", "models"),
    [
        ("", []),
        ("4.0-omni=omni-video/kling-4.0-omni", [("4.0-omni", "omni-video", "kling-4.0-omni", None)]),
        ("4.0=text-to-video/kling-4.0@1.5", [("4.0", "text-to-video", "kling-4.0", Decimal("1.5"))]),
        (
            "4.0=text-to-video/kling-4.0@2, 4.0=image-to-video/kling-4.0@2",
            [("4.0", "text-to-video", "kling-4.0", Decimal(2)), ("4.0", "image-to-video", "kling-4.0", Decimal(2))],
        ),
        ("4.0-OMNI=Omni-Video/Kling-4.0-Omni", [("4.0-omni", "omni-video", "kling-4.0-omni", None)]),
    ],
)
def test_models_are_read_with_route_and_price(value: str, models: list[object]) -> None:
    assert read(value) == models


@pytest.mark.parametrize(
    "entry",
    [
        "4.0-omni",
        "4.0-omni=kling-4.0-omni",
        "4.0-omni=motion-control/kling-4.0",
        "4.0-omni=omni-video/../tasks",
        "4.0-omni=omni-video/kling/4.0",
        "4.0-omni=omni-video/kling-4.0?x=1",
        "4.0-omni=omni-video/",
        "=omni-video/kling-4.0",
        "4.0-omni=omni-video/kling-4.0@",
        "4.0-omni=omni-video/kling-4.0@0",
        "4.0-omni=omni-video/kling-4.0@-1",
        "4.0-omni=omni-video/kling-4.0@much",
        f"{'4' * 41}=omni-video/kling-4.0",
    ],
)
def test_entry_that_cannot_be_right_is_refused(entry: str) -> None:
    said = refusal(f"5.0=omni-video/kling-5.0,{entry}")
    assert said.startswith(f"{NAME} must list models as name=route/model")
    assert entry[:80] in said


def test_listed_model_cannot_be_replaced() -> None:
    assert "must not name a model that this server knows; '3.0-omni' is one" in refusal("3.0-Omni=omni-video/kling-9")
    assert get_args(VideoModel) == LISTED


def test_model_stands_once_for_a_route() -> None:
    assert "'4.0' is there twice" in refusal("4.0=omni-video/kling-a,4.0=omni-video/kling-b")
    assert "at most 20" in refusal(",".join(f"4.{number}=omni-video/kling-{number}" for number in range(21)))


def test_broken_entry_over_stdio_is_reported_and_ignored() -> None:
    settings = Settings.from_env({NAME: "4.0"}, tolerant=True)
    assert settings.extra_models == ()
    (fault,) = settings.faults
    assert fault.need == "nothing"
    assert fault.sentence.startswith(NAME)
    assert "It is ignored." in fault.sentence
