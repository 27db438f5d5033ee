"""Checks the body of a creation or a deletion against the documented rules.

Turns a parsed body into a request or raises RefusedError with the first problem, as the vendor does.
Must not touch accounts: whether an id exists or was used before is checked elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from kling_mcp.simulator.codes import refuse_value
from kling_mcp.simulator.pictures import check_picture, require_link

MAX_NAME_CHARACTERS = 20  # fact: name-20
MAX_DESCRIPTION_CHARACTERS = 100  # fact: description-100
VIDEO_SUFFIXES = (".mp4", ".mov")  # fact: video-format
VOICE_SUFFIXES = (".mp3", ".wav", ".mp4", ".mov")  # fact: voice-create

TAG_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "o_101": "Hottest",
        "o_102": "Character",
        "o_103": "Animal",
        "o_104": "Item",
        "o_105": "Costume",
        "o_106": "Scene",
        "o_107": "Effect",
        "o_108": "Others",
    }
)

_ELEMENT_FIELDS = frozenset(
    {
        "element_name",
        "element_description",
        "reference_type",
        "element_image_list",
        "element_video_list",
        "element_voice_id",
        "tag_list",
        "callback_url",
        "external_task_id",
    }
)
_VOICE_FIELDS = frozenset({"voice_name", "voice_url", "video_id", "callback_url", "external_task_id"})

Body = Mapping[str, object]
Characters = Literal["code-points", "utf-16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How strictly to read: a strict server proves that the client is correct."""

    strict: bool = True
    characters: Characters = "code-points"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRequest:
    """A valid creation. `picture_sums` has the SHA-256 of each inline picture, in order."""

    element_name: str
    element_description: str
    reference_type: str
    frontal_image: str = ""
    refer_images: tuple[str, ...] = ()
    video_url: str = ""
    voice_id: str = ""
    tags: tuple[str, ...] = ()
    callback_url: str = ""
    external_task_id: str = ""
    picture_sums: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceRequest:
    """A valid voice creation."""

    voice_name: str
    voice_url: str
    video_id: str
    callback_url: str
    external_task_id: str


def read_element(body: Body, rules: Rules) -> ElementRequest:
    """Check an element creation (fact: create-fields). Raises RefusedError."""
    _only_known(body, _ELEMENT_FIELDS, rules)
    name = _bounded(body, "element_name", MAX_NAME_CHARACTERS, rules)
    description = _bounded(body, "element_description", MAX_DESCRIPTION_CHARACTERS, rules)
    kind = _text(body, "reference_type")
    if kind not in {"image_refer", "video_refer"}:
        raise refuse_value("reference_type must be image_refer or video_refer")
    materials = _read_images(body, rules) if kind == "image_refer" else _read_videos(body, rules)
    return ElementRequest(
        element_name=name,
        element_description=description,
        reference_type=kind,
        frontal_image=materials.frontal_image,
        refer_images=materials.refer_images,
        video_url=materials.video_url,
        voice_id=_text(body, "element_voice_id", required=False),
        tags=_tags(body, rules),
        callback_url=read_callback(_text(body, "callback_url", required=False)),
        external_task_id=_text(body, "external_task_id", required=False),
        picture_sums=materials.picture_sums,
    )


def read_voice(body: Body, rules: Rules) -> VoiceRequest:
    """Check a voice creation (fact: voice-create). Raises RefusedError."""
    _only_known(body, _VOICE_FIELDS, rules)
    name = _bounded(body, "voice_name", MAX_NAME_CHARACTERS, rules)
    link = _text(body, "voice_url", required=False)
    video = _text(body, "video_id", required=False)
    if bool(link) == bool(video):
        raise refuse_value("one of voice_url and video_id is required")
    if link:
        require_link(link, "voice_url")
        _require_suffix(link, "voice_url", VOICE_SUFFIXES)
    return VoiceRequest(
        voice_name=name,
        voice_url=link,
        video_id=video,
        callback_url=read_callback(_text(body, "callback_url", required=False)),
        external_task_id=_text(body, "external_task_id", required=False),
    )


def read_id(body: Body, field: str, rules: Rules) -> str:
    """The one required string of a deletion (fact: delete-takes-element-id). Raises RefusedError."""
    _only_known(body, frozenset({field}), rules)
    return _text(body, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Materials:
    frontal_image: str = ""
    refer_images: tuple[str, ...] = ()
    video_url: str = ""
    picture_sums: tuple[str, ...] = ()


def _read_images(body: Body, rules: Rules) -> _Materials:
    # `element_video_list` has "no effect for images", so it is ignored.
    images = _mapping(body, "element_image_list")
    _only_known(images, frozenset({"frontal_image", "refer_images"}), rules, "element_image_list.")
    frontal = _text(images, "frontal_image")  # fact: frontal-is-string
    refers = images.get("refer_images")
    if not isinstance(refers, list) or not 1 <= len(refers) <= 3:  # facts: image-count, msg-refer-count
        raise refuse_value("The number of element refer images must be between 1 and 3")
    sums = [check_picture(frontal, "frontal_image")]
    pictures = []
    for place, refer in enumerate(refers):
        field = f"refer_images[{place}]"
        if not isinstance(refer, dict):
            raise refuse_value(f"{field} must be an object")
        _only_known(refer, frozenset({"image_url"}), rules, f"{field}.")
        pictures.append(_text(refer, "image_url"))
        sums.append(check_picture(pictures[-1], f"{field}.image_url"))
    return _Materials(
        frontal_image=frontal,
        refer_images=tuple(pictures),
        picture_sums=tuple(one for one in sums if one),
    )


def _read_videos(body: Body, rules: Rules) -> _Materials:
    if rules.strict and body.get("element_image_list"):
        raise refuse_value("element_image_list is not allowed for video_refer")
    videos = _mapping(body, "element_video_list")
    _only_known(videos, frozenset({"refer_videos"}), rules, "element_video_list.")
    refers = videos.get("refer_videos")
    if not isinstance(refers, list) or len(refers) != 1 or not isinstance(refers[0], dict):  # fact: video-count
        raise refuse_value("The number of element refer videos must be 1")
    _only_known(refers[0], frozenset({"video_url"}), rules, "refer_videos[0].")
    link = _text(refers[0], "video_url")
    require_link(link, "video_url")  # fact: video-url-only
    _require_suffix(link, "video_url", VIDEO_SUFFIXES)
    return _Materials(video_url=link)


def _tags(body: Body, rules: Rules) -> tuple[str, ...]:
    rows = body.get("tag_list", [])
    if not isinstance(rows, list):
        raise refuse_value("tag_list must be an array")
    tags = []
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise refuse_value(f"tag_list[{place}] must be an object")
        _only_known(row, frozenset({"tag_id"}), rules, f"tag_list[{place}].")
        tag = _text(row, "tag_id")
        if tag not in TAG_NAMES:
            raise refuse_value(f"Tag id not found: {tag}")
        tags.append(tag)
    return tuple(tags)


def read_callback(link: str) -> str:
    """The address for callbacks, or "". Raises RefusedError."""
    if link:
        require_link(link, "callback_url", opened=False)
    return link


def _only_known(body: Body, known: frozenset[str], rules: Rules, where: str = "") -> None:
    unknown = sorted(set(body) - known)
    if rules.strict and unknown:
        raise refuse_value(f"unknown field: {where}{unknown[0]}")


def _mapping(body: Body, field: str) -> Body:
    value = body.get(field)
    if not isinstance(value, dict):
        raise refuse_value(f"{field} is required and must be an object")
    return value


def _text(body: Body, field: str, *, required: bool = True) -> str:
    value = body.get(field, "")
    if not isinstance(value, str):
        raise refuse_value(f"{field} must be a string")
    if required and not value:
        raise refuse_value(f"{field} is required")
    return value


def _bounded(body: Body, field: str, most: int, rules: Rules) -> str:
    text = _text(body, field)
    size = len(text) if rules.characters == "code-points" else len(text.encode("utf-16-le")) // 2
    if size > most:
        raise refuse_value(f"{field} must be at most {most} characters")
    return text


def _require_suffix(link: str, field: str, allowed: tuple[str, ...]) -> None:
    # A link need not name its format, but a wrong one is refused before any download.
    suffix = PurePosixPath(urlsplit(link).path).suffix.lower()
    if suffix and suffix not in allowed:
        raise refuse_value(f"{field}: format {suffix} is not supported")
