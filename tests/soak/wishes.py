"""What the campaign asks for: wish `number` of a seed is always the same, and its content is its own."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from media.pictures import jpeg, png

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {"element": 35, "pictures": 30, "clip": 20, "voice": 15}  # of a hundred wishes
# facts: price-table, voice-cost
PICTURE_UNITS, CLIP_UNITS, VOICE_UNITS = Decimal(8), Decimal(3), Decimal("0.05")
FRONT, SIDE = "front.jpg", "side.png"


@dataclass(frozen=True, slots=True)
class Wish:
    """One request: a call of `tool`, and how it is recognised at Kling, priced and saved.

    `units` are what it costs once it is made; `files` are the results that must be on the disk afterwards.
    """

    number: int
    kind: str
    tool: str
    arguments: dict[str, Any]
    content: str
    units: Decimal = Decimal(0)
    files: int = 0


def wish_of(seed: int, number: int, pictures: Path) -> Wish:
    """The wish with this number, from 1; `pictures` is where `make_pictures` has left them."""
    dice = random.Random(f"{seed} {number}")
    (kind,) = dice.choices(list(KINDS), list(KINDS.values()))
    content = f"soak {seed} wish {number}"
    match kind:
        case "element":
            given = _from_pictures(pictures) if dice.random() < 0.5 else _from_a_clip(number)
            about = {"element_name": f"Hero {number}", "element_description": content, **given}
            return Wish(number, kind, "create_element_and_wait", about, content)
        case "pictures":
            count = dice.choice((1, 1, 1, 2))
            asked = {"prompt": content, "count": count}
            return Wish(number, kind, "generate_image", asked, content, count * PICTURE_UNITS, count)
        case "clip":
            asked = {"prompt": content, "duration": 5, "resolution": "720p"}
            return Wish(number, kind, "generate_video", asked, content, CLIP_UNITS, 1)
    link = f"https://example.com/{content.replace(' ', '-')}.mp3"
    return Wish(number, kind, "create_voice", {"voice_name": f"Voice {number}", "voice_url": link}, link, VOICE_UNITS)


def make_pictures(folder: Path) -> None:
    """The two pictures that elements are made from."""
    folder.mkdir(parents=True)
    (folder / FRONT).write_bytes(jpeg())
    (folder / SIDE).write_bytes(png())


def _from_pictures(folder: Path) -> dict[str, Any]:
    return {
        "reference_type": "image_refer",
        "frontal_image": str(folder / FRONT),
        "refer_images": [str(folder / SIDE)],
    }


def _from_a_clip(number: int) -> dict[str, Any]:
    return {"reference_type": "video_refer", "video_url": f"https://example.com/{number}.mp4"}
