"""Draws the icon, Pip's face, from one list of shapes: as SVG, and as PNG for hosts that show nothing else.

    python tools/draw_icon.py

A unit is a pixel of the finished picture; x goes right, y down.
"""  # noqa: INP001 - a script, not a module of a package

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent.parent / "kling_mcp" / "assets"
SIDE = 512  # what Claude Desktop recommends
FINER = 4  # drawn larger, then scaled down: Pillow draws hard edges
COLOURS = 64  # keeps the file small, and the edges smooth


class Box(NamedTuple):
    """A rectangle with round corners; a circle if `radius` is half of its side."""

    left: int
    top: int
    width: int
    height: int
    radius: int
    colour: str


def ball(x: int, y: int, radius: int, colour: str) -> Box:
    """A circle around a point."""
    return Box(x - radius, y - radius, 2 * radius, 2 * radius, radius, colour)


SHAPES = (
    Box(0, 0, SIDE, SIDE, 112, "#12243a"),  # the night behind
    Box(246, 78, 20, 90, 10, "#0f6068"),  # the antenna
    ball(256, 80, 30, "#ff8462"),
    Box(46, 236, 60, 112, 30, "#0f6068"),  # the ears
    Box(406, 236, 60, 112, 30, "#0f6068"),
    Box(76, 136, 360, 312, 150, "#2eaaa3"),  # the head
    Box(116, 190, 280, 190, 95, "#12243a"),  # the visor
    ball(256, 285, 68, "#80f0ff"),  # the eye
    ball(256, 285, 36, "#0f6068"),
    ball(278, 262, 16, "#ffffff"),
)


def svg() -> str:
    """The icon as SVG."""
    shapes = "".join(
        f'<rect x="{box.left}" y="{box.top}" width="{box.width}" height="{box.height}" rx="{box.radius}" '
        f'fill="{box.colour}"/>\n'
        for box in SHAPES
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}">\n{shapes}</svg>\n'


def picture() -> Image.Image:
    """The icon as pixels."""
    image = Image.new("RGBA", (SIDE * FINER, SIDE * FINER))
    draw = ImageDraw.Draw(image)
    for box in SHAPES:
        left, top, width, height, radius = (FINER * value for value in box[:5])
        draw.rounded_rectangle((left, top, left + width - 1, top + height - 1), radius, fill=box.colour)
    small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return small.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "icon.svg").write_text(svg(), "utf-8")
    picture().save(FOLDER / "icon.png", optimize=True)
