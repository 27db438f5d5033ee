"""Every cell of the vendor's price tables, read from docs/kling-api.md, and the ranges where they do not decide."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import pytest
from facts import PAGE

from kling_mcp.generation.models import IMAGE_ROUTES, VIDEO_ROUTES
from kling_mcp.generation.prices import VideoCost, estimate_images, estimate_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.generation.models import Audio, VideoModel, VideoResolution


class Row(NamedTuple):
    """What a row of the page is about. `rate` says which of its figures, split at the slash, this is."""

    label: str
    rate: int
    model: VideoModel
    audio: Audio
    has_video: bool = False


ROWS = (
    Row("3.0 Turbo (sound included)", 0, "3.0-turbo", "off"),
    Row("3.0 Turbo (sound included)", 0, "3.0-turbo", "native"),
    Row("3.0 silent / native audio", 0, "3.0", "off"),
    Row("3.0 silent / native audio", 1, "3.0", "native"),
    Row("3.0 Omni, no video: silent / audio", 0, "3.0-omni", "off"),
    Row("3.0 Omni, no video: silent / audio", 1, "3.0-omni", "native"),
    Row("3.0 Omni with reference or base video", 0, "3.0-omni", "off", has_video=True),
    Row("3.0 Omni with reference or base video", 0, "3.0-omni", "original", has_video=True),
    Row("O1 without / with video", 0, "o1", "off"),
    Row("O1 without / with video", 1, "o1", "off", has_video=True),
)
RESOLUTIONS: tuple[VideoResolution, ...] = ("720p", "1080p", "4k")


def page_rows() -> dict[str, list[str]]:
    rows = [line.strip("|").split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def cells() -> Iterator[tuple[Row, VideoResolution, Decimal]]:
    page = page_rows()
    for row in ROWS:
        for resolution, cell in zip(RESOLUTIONS, page[row.label], strict=True):
            figures = cell.split(" / ")
            if figures != ["-"]:
                yield row, resolution, Decimal(figures[row.rate if len(figures) > 1 else 0])


@pytest.mark.parametrize(("row", "resolution", "rate"), list(cells()))
def test_video_costs_what_the_table_says(row: Row, resolution: VideoResolution, rate: Decimal) -> None:
    """facts: price-table, price-rule"""
    for seconds in (3, 5, 15):
        cost = VideoCost(
            model=row.model,
            resolution=resolution,
            audio=row.audio,
            seconds=(seconds, seconds),
            has_video=row.has_video,
        )
        estimate = estimate_video(cost)
        assert (estimate.low, estimate.high, estimate.product) == (rate * seconds, rate * seconds, "video")
        assert estimate.is_exact
        assert not estimate.doubt


def test_price_table_covers_every_video_route_and_resolution() -> None:
    priced = {(row.model, resolution) for row, resolution, _ in cells()}
    assert priced == {(route.model, resolution) for route in VIDEO_ROUTES for resolution in route.resolutions} | {
        ("3.0", "4k")
    }


@pytest.mark.parametrize("route", IMAGE_ROUTES, ids=lambda route: route.model)
def test_pictures_cost_what_the_table_says(route) -> None:  # type: ignore[no-untyped-def]  # a row of the table
    page = page_rows()
    plain = Decimal(page["a picture of 3.0, 3.0 Omni or O1"][0].split()[0])
    large = Decimal(page["the same in 4k (3.0 Omni)"][0].split()[0])
    for resolution in route.resolutions:
        for count in (1, 9):
            estimate = estimate_images(route.model, resolution, count)
            assert estimate.low == estimate.high == count * (large if resolution == "4k" else plain)
            assert estimate.product == "image"


def test_bound_voice_with_native_audio_gives_both_prices() -> None:
    cost = VideoCost(model="3.0", resolution="1080p", audio="native", seconds=(5, 5), has_voice=True)
    low, high = page_rows()["3.0 silent / native audio"][1].split(" / ")[1], "1.4"
    assert page_rows()["3.0 with native audio and a bound voice"][1] == high
    estimate = estimate_video(cost)
    assert (estimate.low, estimate.high) == (Decimal(low) * 5, Decimal(high) * 5)
    assert "voice" in estimate.doubt


def test_voice_costs_nothing_more_where_no_audio_is_made() -> None:
    cost = VideoCost(model="3.0", resolution="720p", audio="off", seconds=(5, 5), has_voice=True)
    assert str(estimate_video(cost).high) == "3.0"
    assert estimate_video(cost).is_exact


def test_video_element_on_omni_gives_both_prices() -> None:
    """fact: price-video-element"""
    cost = VideoCost(model="3.0-omni", resolution="720p", audio="off", seconds=(5, 5), has_video_element=True)
    estimate = estimate_video(cost)
    assert (estimate.low, estimate.high) == (Decimal(3), Decimal("4.5"))
    assert "made from a video" in estimate.doubt


def test_video_element_in_4k_has_one_price() -> None:
    cost = VideoCost(model="3.0-omni", resolution="4k", audio="off", seconds=(5, 5), has_video_element=True)
    assert estimate_video(cost).is_exact
    assert not estimate_video(cost).doubt


def test_base_video_gives_a_range_of_seconds() -> None:
    """fact: price-video-element"""
    cost = VideoCost(model="o1", resolution="720p", audio="off", seconds=(3, 10), has_video=True)
    estimate = estimate_video(cost)
    assert (estimate.low, estimate.high) == (Decimal("2.7"), Decimal(9))
    assert "3 to 10" in estimate.doubt


def test_estimate_has_units_dollars_date_and_reason() -> None:
    cost = VideoCost(model="3.0-omni", resolution="720p", audio="native", seconds=(5, 5))
    assert str(estimate_video(cost)) == (
        "4 video units ($0.56 at list price of 2026-09-20): 5 s at 0.8 units a second, 3.0-omni in 720p with native "
        "audio"
    )


def test_range_has_both_ends_and_a_reason() -> None:
    cost = VideoCost(model="3.0-omni", resolution="720p", audio="off", seconds=(5, 5), has_video_element=True)
    said = str(estimate_video(cost))
    assert said.startswith("3 to 4.5 video units ($0.42 to $0.63 at list price of 2026-09-20): ")
    assert said.endswith("; Kling does not say whether an element made from a video counts as video")
