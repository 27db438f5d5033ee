"""Every key that a sheet can have, as one table: the reader, the published schema and the page of the docs use it.

Data only; a new key is a new row, and a field of `model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from kling_mcp.api import limits
from kling_mcp.generation.draft import VideoUse
from kling_mcp.generation.models import MAX_SHOTS, VIDEO_ROUTES, Audio, VideoModel, VideoResolution

VERSION = 1
MAX_CAST = 5000  # a grown library, exported
MAX_SHOTS_OF_A_SHEET = 1000
MAX_TAKES = 20
MAX_TEXT_CHARACTERS = 4096

# What a value is: `id` is a text that must not be written as a number; `pictures` and `texts` are lists.
Form = Literal["text", "id", "texts", "ids", "integer", "picture", "pictures", "map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key.

    Attributes:
        help: one sentence, for the docs and for editors.
        choices: the only texts that are allowed, or () for any.
        least, most: bounds of an integer or of the length of a list; `most` 0 is no bound.
        longest: characters of a text; 0 is no bound of its own.
        default: what holds where neither the entry nor `defaults` says anything.
        may_default: whether it may stand in `defaults`.
    """

    name: str
    form: Form
    help: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    longest: int = 0
    default: str | int | None = None
    may_default: bool = True


_SECONDS = [second for route in VIDEO_ROUTES for second in route.seconds]
_RATIOS = tuple(dict.fromkeys(ratio for route in VIDEO_ROUTES for ratio in route.aspect_ratios))

SHEET_KEYS: tuple[Key, ...] = (
    Key(name="version", form="integer", help="The version of the format: 1.", least=VERSION, most=VERSION),
    Key(
        name="defaults",
        form="map",
        help="Values for every cast entry that does not have its own, and under `shots` the same for shots.",
    ),
    Key(name="cast", form="map", help="The elements of the episode: name, and what each is made from."),
    Key(name="shots", form="map", help="The videos of the episode: id, and what each shows."),
)

CAST_KEYS: tuple[Key, ...] = (
    Key(
        name="description",
        form="text",
        help="Looks, clothes and colours, in at most 100 characters.",
        longest=limits.MAX_DESCRIPTION_CHARACTERS,
    ),
    Key(name="front", form="picture", help="The picture from the front.", may_default=False),
    Key(
        name="others",
        form="pictures",
        help="One to three more pictures, from other angles.",
        least=limits.REFER_IMAGES_MIN,
        most=limits.REFER_IMAGES_MAX,
        may_default=False,
    ),
    Key(
        name="video",
        form="text",
        help="In place of pictures: an https link to a clip of one person, 3 to 8 s.",
        longest=limits.MAX_LINK_CHARACTERS,
        may_default=False,
    ),
    Key(name="voice", form="id", help="The exact name of a voice, or its id in quotes."),
    Key(name="tags", form="texts", help=f"Kling's tags: {', '.join(limits.TAGS.values())}.", most=len(limits.TAGS)),
    Key(
        name="element_id",
        form="id",
        help="The id, in quotes, of an element that exists already; then nothing is made.",
        longest=20,
        may_default=False,
    ),
)

SHOT_KEYS: tuple[Key, ...] = (
    Key(
        name="prompt",
        form="text",
        help="What happens; `@Name` is an element, `@image_1` a picture, `@video_1` the video.",
        longest=MAX_TEXT_CHARACTERS,
        may_default=False,
    ),
    Key(name="elements", form="ids", help="More elements, by exact name, beside those that the prompt names."),
    Key(name="images", form="pictures", help="Reference pictures, `@image_1` and so on in the prompt.", most=10),
    Key(name="first_frame", form="picture", help="The picture that the video begins with."),
    Key(name="last_frame", form="picture", help="The picture that it ends with, beside a first frame."),
    Key(
        name="video_url",
        form="text",
        help="An https link to a reference video, `@video_1` in the prompt.",
        longest=limits.MAX_LINK_CHARACTERS,
    ),
    Key(
        name="video_use",
        form="text",
        help="What that video is for: its style and motion (`feature`), or to be edited (`base`).",
        choices=get_args(VideoUse),
        default="feature",
    ),
    Key(
        name="shots",
        form="texts",
        help="In place of the prompt: cuts of one video, such as `3: @Mia waves` (seconds and text).",
        most=MAX_SHOTS,
        may_default=False,
    ),
    Key(name="model", form="text", help="The model.", choices=get_args(VideoModel), default="3.0-omni"),
    Key(
        name="duration",
        form="integer",
        help="Whole seconds; without it 5, or what the cuts add up to.",
        least=min(_SECONDS),
        most=max(_SECONDS),
        default=5,
    ),
    Key(name="aspect_ratio", form="text", help="The shape.", choices=_RATIOS, default="16:9"),
    Key(name="resolution", form="text", help="The size.", choices=get_args(VideoResolution), default="720p"),
    Key(name="audio", form="text", help="The sound.", choices=get_args(Audio), default="off"),
    Key(
        name="takes",
        form="integer",
        help="How many videos are made of it; each is paid for.",
        least=1,
        most=MAX_TAKES,
        default=1,
    ),
    Key(
        name="save_as",
        form="text",
        help="A name or a folder (with a slash behind it) inside the output folder; without it the id of the shot.",
        longest=500,
    ),
)

# `defaults` holds keys of cast entries, and the shots' own under this one.
DEFAULTS_FOR_SHOTS = Key(name="shots", form="map", help="Values for every shot that does not have its own.")
