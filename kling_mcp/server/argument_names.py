"""What clients call arguments: synonyms, and names that clients add by themselves. One table and one function."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# By argument, in our own spelling; letter case, hyphens and underscores do not matter.
SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "aspect_ratio": ("aspect", "ratio"),
        "audio": ("sound", "with_audio"),
        "allow_duplicate_name": ("allow_duplicate", "allow_duplicates", "allow_duplicate_names"),
        "callback_url": ("callback", "webhook", "webhook_url"),
        "count": ("image_count", "n", "num_images"),
        "cursor": ("next_cursor", "page_token", "next_page_token"),
        "dry_run": ("estimate", "preview", "price_only"),
        "duration": ("duration_seconds", "length", "seconds"),
        "element_description": ("description", "desc"),
        "element_id": ("id",),
        "element_name": ("name",),
        "element_voice_id": ("voice_id", "voice"),
        "elements": (
            "element",
            "element_id",
            "element_ids",
            "element_name",
            "element_names",
            "id",
            "ids",
            "name",
            "names",
        ),
        "external_task_id": ("external_id",),
        "frontal_image": ("front", "front_image", "frontal", "frontal_picture", "image_url"),
        "id": ("element", "element_id", "element_name", "external_task_id", "name", "name_or_id", "task_id"),
        "first_frame": ("first_frame_image", "start_frame", "start_image"),
        "ids": (
            "external_task_id",
            "external_task_ids",
            "id",
            "task",
            "task_id",
            "task_ids",
            "tasks",
        ),
        "images": ("image_list", "image_urls", "pictures", "reference_images", "refer_images"),
        "last_frame": ("end_frame", "end_image", "image_tail", "tail_image"),
        "limit": ("count", "max_results", "page_size", "top_k"),
        "max_units": ("budget", "unit_limit", "units"),
        "model": ("model_name", "model_version"),
        "page_num": ("page", "page_number"),
        "page_size": ("limit", "per_page", "size"),
        "path": ("file", "file_name", "filename", "file_path", "sheet", "sheet_path"),
        "pictures": ("images", "thumbnails", "with_pictures"),
        "plan_id": ("id", "plan"),
        "prompt": ("text", "prompt_text"),
        "query": (
            "element_id",
            "element_name",
            "id",
            "keyword",
            "keywords",
            "name",
            "q",
            "query_string",
            "query_text",
            "search",
            "search_query",
            "search_term",
            "search_text",
            "text",
            "voice_id",
            "voice_name",
            "words",
        ),
        "refer_images": ("other_images", "other_pictures", "refer_image", "refer_image_list"),
        "reference_type": ("refer_type", "type"),
        "require": ("names", "required", "required_names"),
        "save_as": ("file_name", "filename", "folder", "output", "output_name"),
        "shots": ("multi_prompt", "scenes"),
        "tags": ("tag", "tag_ids", "tag_list", "tag_names"),
        "target": ("model", "route", "route_model"),
        "take": ("take_number", "variant", "variation"),
        "video_id": ("clip_id", "from_video", "video"),
        "video_url": ("refer_video", "video", "video_link"),
        "voice_id": ("id", "voice"),
        "voice_name": ("name",),
        "voice_url": ("audio", "audio_url", "recording", "url"),
        "wait_seconds": ("timeout", "timeout_seconds", "wait", "max_wait_seconds"),
    }
)
# All pictures of an element in one list; the first is the frontal one.
PICTURES = "images"
_PICTURES = ("images", "pictures", "image_list", "image_urls", "picture_urls", "reference_images")
FRONTAL_IMAGE, REFER_IMAGES = "frontal_image", "refer_images"

# Seen from n8n, OpenHands and others. What a tool has itself, or under a synonym, is never left out.
_ADDED_BY_CLIENTS = (
    *("toolCallId", "sessionId", "chatInput", "action", "kind"),
    *("description", "reason", "rationale", "explanation", "confirm"),
)


@dataclass(slots=True)
class NamedArguments:
    """The values of a call under the tool's own names.

    `pictures` are those that came in one list, or None. `unknown` has the names that were not taken, each with the
    argument that it means and that is given already, or "".
    """

    values: dict[str, Any] = field(default_factory=dict)
    pictures: Any = None
    unknown: dict[str, str] = field(default_factory=dict)


def name_arguments(raw: Mapping[str, Any], own: tuple[str, ...]) -> NamedArguments:
    """The arguments under their own names; what clients add is left out.

    A synonym is taken if it means one argument of this tool that is not given otherwise.
    """
    named = NamedArguments({name: raw[name] for name in own if name in raw})
    meanings = _meanings(own)
    pictures: dict[str, Any] = {}
    for name, value in raw.items():
        if name in own:
            continue
        key = _key(name)
        meant = meanings.get(key, "")
        if meant == PICTURES and PICTURES not in own:
            pictures[name] = value
        elif meant and meant not in named.values:
            named.values[meant] = value
        elif key not in _ADDED:
            named.unknown[name] = meant
    for name, value in pictures.items():
        _take_pictures(named, name, value)
    return named


def _take_pictures(named: NamedArguments, name: str, value: Any) -> None:
    """All pictures, or those beside the frontal one."""
    if named.pictures is not None or REFER_IMAGES in named.values:
        named.unknown[name] = REFER_IMAGES
    elif FRONTAL_IMAGE in named.values:
        named.values[REFER_IMAGES] = value
    else:
        named.pictures = value


@cache
def _meanings(own: tuple[str, ...]) -> Mapping[str, str]:
    """What each name in its bare spelling means in a tool with these arguments; left out if it could mean two."""
    found: dict[str, str] = {}
    for argument in own:
        for synonym in SYNONYMS.get(argument, ()):
            key = _key(synonym)
            found[key] = argument if found.get(key, argument) == argument else ""
    if {FRONTAL_IMAGE, REFER_IMAGES} <= set(own):
        found |= {_key(name): PICTURES for name in _PICTURES}
    found |= {_key(name): name for name in own}
    return MappingProxyType({key: argument for key, argument in found.items() if argument})


def _key(name: str) -> str:
    """Without letter case and separators. No known name is longer than the part that is read."""
    return re.sub(r"[^a-z0-9]", "", name[:40].lower())


_ADDED = frozenset(map(_key, _ADDED_BY_CLIENTS))
