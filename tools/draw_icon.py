"""Draws docs/icon.png: two people, one beside the other and the same, on a frame of film.

    python tools/draw_icon.py

Clients show it beside the server's name, and the registry in its list. A test draws it again and compares.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

ICON = Path(__file__).parent.parent / "docs" / "icon.png"
SIDE, FINER = 512, 4  # drawn four times as large, then scaled down: Pillow draws hard edges
NAVY, TEAL, CORAL, CREAM = (18, 36, 58), (46, 170, 163), (255, 132, 98), (255, 246, 230)
COLOURS = 64  # enough for smooth edges

Box = tuple[int, int, int, int]


def draw() -> Image.Image:
    """The icon."""
    image = Image.new("RGBA", (SIDE * FINER, SIDE * FINER))
    brush = ImageDraw.Draw(image)
    brush.rounded_rectangle(_fine(0, 0, 512, 512), 104 * FINER, fill=NAVY)
    for top in (44, 428):
        for left in range(62, 450, 80):
            brush.rounded_rectangle(_fine(left, top, left + 42, top + 40), 12 * FINER, fill=CREAM)
    brush.rounded_rectangle(_fine(40, 112, 472, 400), 36 * FINER, fill=CREAM)
    for middle, colour in ((160, TEAL), (352, CORAL)):
        brush.ellipse(_fine(middle - 52, 146, middle + 52, 250), fill=colour)
        brush.pieslice(_fine(middle - 88, 268, middle + 88, 468), 180, 360, fill=colour)
    small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return small.quantize(COLOURS, Image.Quantize.FASTOCTREE)


def _fine(left: int, top: int, right: int, bottom: int) -> Box:
    return left * FINER, top * FINER, right * FINER, bottom * FINER


if __name__ == "__main__":
    draw().save(ICON, optimize=True)
