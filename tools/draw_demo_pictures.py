"""Draws the two pictures of the demo: Pip, a small round robot, from the front and turned to one side.

    python tools/draw_demo_pictures.py

Pip is a solid body in space that is turned about its upright axis, so that both pictures show the same one.
Units are pixels of the finished picture; x goes right, y up, z towards the viewer, and the body's centre is 0.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

FOLDER = Path(__file__).parent.parent / "kling_mcp" / "demo" / "pictures"
SIDE = 640
FINER = 3  # drawn three times as large, then scaled down: Pillow draws hard edges
RADIUS = 178.0
CENTRE = (320.0, 338.0)

CREAM, PEACH = (255, 246, 230), (255, 214, 172)
LIGHT, TEAL, DEEP = (132, 226, 214), (46, 170, 163), (15, 96, 104)
NAVY, CYAN, CORAL, RUST, WHITE = (18, 36, 58), (128, 240, 255), (255, 132, 98), (206, 84, 58), (255, 255, 255)

Point = tuple[float, float]
Place = tuple[float, float, float]
Colour = tuple[int, int, int]


class Painter:
    """One picture, with Pip turned by `turn` degrees to the viewer's right."""

    def __init__(self, turn: float) -> None:
        self._sine, self._cosine = math.sin(math.radians(turn)), math.cos(math.radians(turn))
        self.image = _between(PEACH, CREAM, _backdrop())
        self._draw = ImageDraw.Draw(self.image)

    def turned(self, place: Place) -> Place:
        """A place after the turn."""
        x, y, z = place
        return (x * self._cosine + z * self._sine, y, z * self._cosine - x * self._sine)

    def shown(self, place: Place) -> Point:
        """Where a place lies in the drawing."""
        x, y, _ = self.turned(place)
        return ((CENTRE[0] + x) * FINER, (CENTRE[1] - y) * FINER)

    def ball(self, place: Place, radius: float, light: Colour, dark: Colour) -> None:
        """A ball, lit from the upper left."""
        x, y = self.shown(place)
        size = round(2 * radius * FINER)
        corner = (round(x - size / 2), round(y - size / 2))
        self.image.paste(_between(light, dark, _shade(size)), corner, _disc(size))

    def stroke(self, start: Place, end: Place, width: float, colour: Colour) -> None:
        """A straight limb with round ends."""
        self._draw.line([self.shown(start), self.shown(end)], fill=colour, width=round(width * FINER))
        for place in (start, end):
            self.spot(place, width / 2, colour)

    def spot(self, place: Place, radius: float, colour: Colour) -> None:
        """A flat disc that faces the viewer."""
        x, y = self.shown(place)
        r = radius * FINER
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def patch(self, outline: list[Place], colour: Colour) -> None:
        """A coloured patch of the body's surface; what lies behind the horizon is left out."""
        seen = [self.shown(place) for place in outline if self.turned(place)[2] > 0]
        self._draw.polygon(seen, fill=colour)

    def ear(self, side: int) -> None:
        """A flat cylinder on the body's flank; `side` is -1 or 1."""
        inner, outer = (self._ring(side * RADIUS * depth, 50) for depth in (0.9, 1.1))
        self._draw.polygon(_hull(inner + outer), fill=RUST)
        if self.turned((side, 0, 0))[2] > 0.05:
            self._draw.polygon(outer, fill=CORAL)
            self._draw.polygon(self._ring(side * RADIUS * 1.1, 24), fill=RUST)
        else:
            self._draw.polygon(_hull(self._ring(side * RADIUS * 1.03, 50) + outer), fill=CORAL)

    def _ring(self, x: float, radius: float) -> list[Point]:
        steps = [math.tau * step / 72 for step in range(72)]
        return [self.shown((x, radius * math.sin(a) + 12, radius * math.cos(a))) for a in steps]

    def shadow(self) -> None:
        """A soft shadow on the floor."""
        layer = Image.new("L", self.image.size)
        box = [edge * FINER for edge in (150, 520, 490, 580)]
        ImageDraw.Draw(layer).ellipse(box, fill=110)
        self.image.paste(RUST, (0, 0), layer.filter(ImageFilter.GaussianBlur(14 * FINER)))

    def finished(self) -> Image.Image:
        """The picture in its final size."""
        return self.image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def on_body(longitude: float, latitude: float) -> Place:
    """A place on the body, in degrees from the tip of the nose."""
    along, up = math.radians(longitude), math.radians(latitude)
    return (
        RADIUS * math.cos(up) * math.sin(along),
        RADIUS * math.sin(up),
        RADIUS * math.cos(up) * math.cos(along),
    )


def oval(longitude: float, latitude: float, wide: float, high: float, roundness: float = 1.0) -> list[Place]:
    """The outline of an oval on the body, in degrees; a `roundness` below 1 makes it squarer."""
    outline = []
    for step in range(180):
        angle = math.tau * step / 180
        across, up = math.cos(angle), math.sin(angle)
        along = longitude + wide * math.copysign(abs(across) ** roundness, across)
        outline.append(on_body(along, latitude + high * math.copysign(abs(up) ** roundness, up)))
    return outline


def smile() -> list[Place]:
    """A crescent below the eyes."""
    across = [step / 20 for step in range(-20, 21)]
    lower = [on_body(15 * part, -1 - 10 * math.sqrt(1 - part * part)) for part in across]
    upper = [on_body(15 * part, -1 - 4 * math.sqrt(1 - part * part)) for part in reversed(across)]
    return lower + upper


def paint(turn: float) -> Image.Image:
    """Pip, turned by `turn` degrees."""
    pip = Painter(turn)
    pip.shadow()
    for side in (-1, 1):
        pip.ball((side * 70, -RADIUS * 0.98, 30), 44, TEAL, DEEP)
    pip.stroke((0, RADIUS * 0.9, 0), (0, RADIUS * 1.32, 0), 12, DEEP)
    pip.ball((0, RADIUS * 1.38, 0), 24, (255, 196, 170), CORAL)
    limbs = {
        -1: ((-RADIUS * 0.9, -60.0, 20.0), (-RADIUS * 1.22, -118.0, 34.0)),
        1: ((RADIUS * 0.9, -52.0, 20.0), (RADIUS * 1.3, 2.0, 40.0)),
    }
    behind = [side for side in limbs if pip.turned(limbs[side][1])[2] < 0]
    for side in behind:
        _arm(pip, *limbs[side])
    for side in (-1, 1):
        if pip.turned((side, 0, 0))[2] <= 0.05:
            pip.ear(side)
    pip.ball((0, 0, 0), RADIUS, LIGHT, DEEP)
    _face(pip)
    for side in (-1, 1):
        if pip.turned((side, 0, 0))[2] > 0.05:
            pip.ear(side)
    for side in limbs.keys() - set(behind):
        _arm(pip, *limbs[side])
    return pip.finished()


def _face(pip: Painter) -> None:
    pip.patch(oval(0, 10, 47, 29, 0.62), DEEP)
    pip.patch(oval(0, 10, 44, 26, 0.62), NAVY)
    pip.patch(oval(-31, 29, 6, 2.4), (66, 92, 124))
    for side in (-1, 1):
        pip.patch(oval(side * 19, 14, 8, 11), CYAN)
        pip.patch(oval(side * 19 - 2.5, 18, 2.6, 3.4), WHITE)
        pip.patch(oval(side * 31, -4, 5, 3), CORAL)
    pip.patch(smile(), CYAN)
    pip.patch(oval(0, -41, 15, 11), DEEP)
    pip.patch(oval(0, -41, 12.5, 9), CORAL)
    pip.patch(oval(-3, -38, 4, 2.6), (255, 200, 178))


def _arm(pip: Painter, shoulder: Place, hand: Place) -> None:
    pip.stroke(shoulder, hand, 26, DEEP)
    pip.ball(hand, 28, LIGHT, TEAL)


def _between(first: Colour, second: Colour, mask: Image.Image) -> Image.Image:
    """From `first`, where the mask is black, to `second`, where it is white."""
    return Image.composite(Image.new("RGB", mask.size, second), Image.new("RGB", mask.size, first), mask)


def _backdrop() -> Image.Image:
    side = SIDE * FINER
    return ImageChops.invert(Image.linear_gradient("L")).resize((side, side), Image.Resampling.BICUBIC)


def _shade(size: int) -> Image.Image:
    """Dark away from a point in the upper left."""
    glow = Image.radial_gradient("L").resize((round(size * 1.6),) * 2, Image.Resampling.BICUBIC)
    left, top = round(size * 0.47), round(size * 0.52)
    return glow.crop((left, top, left + size, top + size))


def _disc(size: int) -> Image.Image:
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).ellipse((0, 0, size - 1, size - 1), fill=255)
    return mask


def _hull(points: list[Point]) -> list[Point]:
    """The convex hull of the points, by monotone chains."""

    def chain(ordered: list[Point]) -> list[Point]:
        kept: list[Point] = []
        for x, y in ordered:
            while len(kept) >= 2:
                (ax, ay), (bx, by) = kept[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    ordered = sorted(points)
    return chain(ordered) + chain(ordered[::-1])


if __name__ == "__main__":
    for name, turn in (("pip-front.jpg", 0.0), ("pip-side.jpg", 42.0)):
        paint(turn).save(FOLDER / name, "JPEG", quality=90, subsampling=0, optimize=True)
