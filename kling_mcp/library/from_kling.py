"""Converts Kling's records into the library's: texts capped, only valid links kept. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from kling_mcp.api.limits import TAGS
from kling_mcp.library.records import ElementStatus, LibraryElement, Source
from kling_mcp.sanitize import without_invisible

if TYPE_CHECKING:
    from kling_mcp.api.models import Element, ElementTask, Tag

# Far above Kling's limits (facts: name-20, description-100); stops hostile records.
MAX_NAME_CHARACTERS, MAX_DESCRIPTION_CHARACTERS, MAX_ID_CHARACTERS, MAX_LINK_CHARACTERS = 200, 600, 128, 2048
MAX_REASON_CHARACTERS = 300
MAX_TAGS, MAX_LINKS = 16, 4

_IN_LINKS = "%/:?#[]@!$&'()*+,;=~-._"
_UNENCODED = rf"[\w{re.escape(_IN_LINKS.replace('%', ''))}]*+"
_ENCODED_LINK = re.compile(rf"{_UNENCODED}(?:%[0-9A-Fa-f]{{2}}{_UNENCODED})*+", re.ASCII)
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def records_of(task: ElementTask, source: Source) -> list[LibraryElement]:
    """A record for each element, or one without an element id for a task without elements. fact: list-is-tasks

    Empty if there is neither an element id nor a task id.
    """
    if elements := task.elements:
        return [_element_record(element, task, source) for element in elements]
    if not task.task_id:
        return []
    return [
        LibraryElement(
            source=source,
            status="failed" if task.task_status == "failed" else "pending",
            task_id=capped(task.task_id, MAX_ID_CHARACTERS),
            external_task_id=capped(task.external_task_id, MAX_ID_CHARACTERS),
            created_at_ms=task.created_at,
            failure_reason=capped(task.task_status_msg, MAX_REASON_CHARACTERS) if task.task_status == "failed" else "",
        )
    ]


def _element_record(element: Element, task: ElementTask, source: Source) -> LibraryElement:
    voice = element.element_voice_info
    return LibraryElement(
        source=source,
        element_id=capped(element.element_id, MAX_ID_CHARACTERS),
        element_name=capped(element.element_name, MAX_NAME_CHARACTERS),
        element_description=capped(element.element_description, MAX_DESCRIPTION_CHARACTERS),
        reference_type=element.kind,
        tags=_tags(element),
        voice_id=capped(voice.voice_id, MAX_ID_CHARACTERS),
        voice_name=capped(voice.voice_name, MAX_NAME_CHARACTERS),
        voice_trial_url=link(voice.trial_url),
        owned_by=capped(element.owned_by, MAX_ID_CHARACTERS),
        status=_status(element, task, source),
        task_id=capped(task.task_id, MAX_ID_CHARACTERS),
        external_task_id=capped(task.external_task_id, MAX_ID_CHARACTERS),
        created_at_ms=task.created_at,
        image_urls=_links(element),
    )


def capped(text: str, limit: int) -> str:
    """Capped, and without lone surrogates, which JSON allows but files cannot store."""
    text = text[:limit]
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()


def _status(element: Element, task: ElementTask, source: Source) -> ElementStatus:
    if element.is_deleted:
        return "deleted"
    if task.task_status == "failed":
        return "failed"
    # facts: presets-thin, owned-by; official elements are ready in every list, whatever their task says.
    if (
        source == "preset"
        or element.is_official
        or task.task_status == "succeed"
        or element.status.lower() in {"succeed", "succeeded"}
    ):
        return "ready"
    return "pending"


def tag_name(tag: Tag) -> str:
    """The name from Kling's page, otherwise from the record. fact: tags-every-form"""
    return capped(TAGS.get(tag.tag_id) or tag.name.strip() or tag.tag_id, MAX_NAME_CHARACTERS)


def _tags(element: Element) -> tuple[str, ...]:
    """Without duplicates."""
    return tuple(dict.fromkeys(filter(None, map(tag_name, element.tag_list[:MAX_TAGS]))))


def _links(element: Element) -> tuple[str, ...]:
    """Links only: a picture may be shown as the Base64 text that was sent. fact: pictures-as-sent"""
    images = element.element_image_list
    given = [images.frontal_image, *(image.image_url for image in images.refer_images)]
    return tuple(url for url in map(link, given) if url)[:MAX_LINKS]


def link(url: str) -> str:
    """An https link, percent-encoded; "" for anything else, and for one that is too long or holds what is invisible."""
    if not url.startswith("https://") or len(url) > MAX_LINK_CHARACTERS:
        return ""
    if not _ENCODED_LINK.fullmatch(url):
        host = url.split("/", 3)[2]
        if not url.isprintable() or without_invisible(url) != url or not host.isascii() or " " in host:
            return ""
        url = quote(_STRAY_PERCENT.sub("%25", url), safe=_IN_LINKS)
    return url if len(url) <= MAX_LINK_CHARACTERS else ""
