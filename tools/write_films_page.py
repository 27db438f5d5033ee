"""Writes into docs/films.md what the code knows better: the tables of models and of prices.

    python tools/write_films_page.py

tests/docs/test_reference.py compares, so a model or a price that changes without the page fails the build.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import get_args

from kling_mcp.generation.models import (
    IMAGE_ROUTES,
    VIDEO_ROUTES,
    Audio,
    ImageResolution,
    ImageRoute,
    VideoResolution,
    VideoRoute,
)
from kling_mcp.generation.prices import TABLE_DATE, UNIT_DOLLARS, VideoCost, estimate_images, estimate_video
from kling_mcp.generation.targets import TARGETS

PAGE = Path(__file__).parent.parent / "docs" / "films.md"
START, END = "<!-- written by tools/write_films_page.py: {} -->", "<!-- end -->"
INPUTS = {"none": "from text", "optional": "from text, pictures, frames or a video", "required": "from a first frame"}


def with_tables(page: str) -> str:
    """The page with its tables as they must be.

    Raises:
        ValueError: the marks of a table are not there.
    """
    for name, table in (("videos", _videos()), ("pictures", _pictures()), ("prices", _prices())):
        before, start, rest = page.partition(START.format(name))
        _, end, after = rest.partition(END)
        if not (start and end):
            raise ValueError(f"docs/films.md has lost the marks of its table of {name}")
        page = f"{before}{start}\n{table}\n{end}{after}"
    return page


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    first, *rest = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([first, "|-" * len(head) + "|", *rest])


def _videos() -> str:
    head = ("model", "made", "key", "seconds", "resolution", "shape", "audio", "shots", "elements")
    return _table(head, [_video(route) for route in VIDEO_ROUTES])


def _video(route: VideoRoute) -> tuple[str, ...]:
    return (
        f"`{route.model}`",
        INPUTS[route.first_frame],
        "API key" if route.needs_api_key else "key pair",
        f"{route.seconds[0]} to {route.seconds[-1]}",
        ", ".join(route.resolutions),
        ", ".join(route.aspect_ratios) or "as the frame",
        ", ".join(route.audio) or "always",
        "yes" if route.cuts else "no",
        _elements(route),
    )


def _elements(route: VideoRoute | ImageRoute) -> str:
    return f"up to {TARGETS[route.target].most}" if route.target else "none"


def _pictures() -> str:
    head = ("model", "resolution", "shape (default first)", "pictures", "elements", "at once")
    return _table(head, [_picture(route) for route in IMAGE_ROUTES])


def _picture(route: ImageRoute) -> tuple[str, ...]:
    shapes = [route.default_ratio, *(ratio for ratio in route.aspect_ratios if ratio != route.default_ratio)]
    return (
        f"`{route.model}`",
        ", ".join(route.resolutions),
        ", ".join(shapes),
        f"up to {route.pictures}" if route.pictures > 1 else "1",
        _elements(route),
        f"1 to {route.most}",
    )


def _prices() -> str:
    resolutions: tuple[VideoResolution, ...] = get_args(VideoResolution)
    rows = [_price(route, audio, resolutions) for route, audio in _priced()]
    pictures = [
        (f"`{route.model}` picture", *(_picture_price(route, size) for size in get_args(ImageResolution)))
        for route in IMAGE_ROUTES
    ]
    videos = _table(("video, units a second", *resolutions), rows)
    each = _table(("picture, units each", *get_args(ImageResolution)), pictures)
    dollars = (
        f"At list price of {TABLE_DATE}, a video unit is ${UNIT_DOLLARS['video']} and a picture unit "
        f"${UNIT_DOLLARS['image']}; packs may be cheaper."
    )
    return f"{videos}\n\n{each}\n\n{dollars}"


def _priced() -> list[tuple[VideoRoute, Audio]]:
    """One route for each price."""
    found = {
        (route.model, audio): route
        for route, audio in product(reversed(VIDEO_ROUTES), get_args(Audio))
        if audio != "original" and audio in (route.audio or ("native",))
    }
    return [(route, audio) for (_, audio), route in sorted(found.items(), key=lambda item: item[0][0])]


def _price(route: VideoRoute, audio: Audio, resolutions: tuple[VideoResolution, ...]) -> tuple[str, ...]:
    said = "with sound" if audio == "native" else "without sound"
    return (f"`{route.model}` {said}", *(_rate(route, audio, size) for size in resolutions))


def _rate(route: VideoRoute, audio: Audio, size: VideoResolution) -> str:
    if size not in route.resolutions:
        return "–"
    second = VideoCost(model=route.model, resolution=size, audio=audio, seconds=(1, 1))
    return f"{estimate_video(second).high.normalize():f}"


def _picture_price(route: ImageRoute, size: ImageResolution) -> str:
    return f"{estimate_images(route.model, size, 1).high.normalize():f}" if size in route.resolutions else "–"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")
