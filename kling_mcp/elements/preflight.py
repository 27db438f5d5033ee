"""Checks a whole creation before anything is sent, and reports every problem of every input at once.

It may read local files and picture headers; it never uses the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.api import limits
from kling_mcp.choices import nearest
from kling_mcp.elements import text_rules
from kling_mcp.elements.draft import ElementDraft, PreparedElement
from kling_mcp.errors import InputError, Problem
from kling_mcp.media import links
from kling_mcp.media.inputs import Findings, check_video_link, format_warnings, inline_warnings, load_picture
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.media.picture import Picture
    from kling_mcp.media.policy import MediaPolicy


def prepare(draft: ElementDraft, policy: MediaPolicy) -> PreparedElement:
    """The creation in the form that may be sent.

    Blocking: reads local pictures in the policy's folders (run it in a worker thread).
    Raises InputError with all problems of all inputs.
    """
    found = Findings()
    name = found.take("", text_rules.check_name, draft.element_name)
    found.warn(text_rules.warn_of_double_count("element_name", name, limits.MAX_NAME_CHARACTERS))
    description = found.take("", text_rules.check_description, draft.element_description)
    found.warn(text_rules.warn_of_double_count("element_description", description, limits.MAX_DESCRIPTION_CHARACTERS))
    kind = found.take("", check_reference_type, draft)
    frontal, others = _take_pictures(draft, kind, policy, found)
    video_url = _take_video(draft, kind, found)
    voice_id = _take_voice(draft, video_url, found)
    tag_ids = _take_tags(draft, found)
    callback_url = _take_callback(draft, found)
    external_task_id = ""
    if draft.external_task_id:
        external_task_id = found.take("", text_rules.check_external_task_id, draft.external_task_id)
    if found.problems:
        raise InputError(found.problems)
    return PreparedElement(
        element_name=name,
        element_description=description,
        reference_type=kind,
        frontal_image=frontal,
        refer_images=others,
        video_url=video_url,
        element_voice_id=voice_id,
        tag_ids=tag_ids,
        callback_url=callback_url,
        external_task_id=external_task_id,
        warnings=tuple(found.warnings),
    )


def check_reference_type(draft: ElementDraft) -> str:
    """`image_refer` or `video_refer`. Raises InputError with the likely one."""
    given = draft.reference_type.strip()
    if given in limits.REFERENCE_TYPES:
        return given
    likely = limits.VIDEO_REFER if draft.video_url.strip() else limits.IMAGE_REFER
    meant = nearest(given, limits.REFERENCE_TYPES) or likely
    rule = f"must be {limits.IMAGE_REFER} (from pictures) or {limits.VIDEO_REFER} (from a video)"
    raise InputError([Problem("reference_type", rule, quote(given), f"did you mean {meant}?")])


def _take_pictures(
    draft: ElementDraft, kind: str, policy: MediaPolicy, found: Findings
) -> tuple[Picture | None, tuple[Picture, ...]]:
    """The pictures, after checking their number and total size. fact: image-count"""
    given = {"frontal_image": draft.frontal_image.strip(), "refer_images": draft.refer_images}
    if kind == limits.VIDEO_REFER:
        for argument in (argument for argument, value in given.items() if value):
            rule = "must be empty with reference_type video_refer, where pictures have no effect"
            fix = f"leave {argument} out, or set reference_type to image_refer."
            found.refuse(argument, rule, "pictures beside video_refer", fix)
        return None, ()
    if kind == limits.IMAGE_REFER:
        _require_picture_count(draft, found)
    wanted = [("frontal_image", draft.frontal_image)] if given["frontal_image"] else []
    # A list that is too long is refused anyway, so the rest is not read.
    for place, text in enumerate(draft.refer_images[: limits.REFER_IMAGES_MAX]):
        wanted.append((f"refer_images[{place}]", text))
    loaded = [found.take(None, load_picture, text, argument, policy) for argument, text in wanted]
    pictures = [picture for picture in loaded if picture is not None]
    found.warn(*inline_warnings(pictures), *format_warnings(pictures), *_repeat_warnings(pictures))
    frontal = next((picture for picture in pictures if picture.argument == "frontal_image"), None)
    return frontal, tuple(picture for picture in pictures if picture is not frontal)


def _require_picture_count(draft: ElementDraft, found: Findings) -> None:
    """Notes a missing frontal picture, and too few or too many others."""
    if not draft.frontal_image.strip():
        rule = "must be one picture from the front with reference_type image_refer"
        found.refuse("frontal_image", rule, "none", "give the picture that shows it best from the front.")
    count = len(draft.refer_images)
    few, many = limits.REFER_IMAGES_MIN, limits.REFER_IMAGES_MAX
    rule = f"must be {few} to {many} further pictures with reference_type image_refer"
    if count < limits.REFER_IMAGES_MIN:
        fix = (  # fact: frontal-may-repeat
            "add another angle; if there is none, repeat the frontal picture, which Kling accepts, "
            "though it makes a weaker element."
        )
        found.refuse("refer_images", rule, "none", fix)
    if count > limits.REFER_IMAGES_MAX:
        fix = f"keep the best {limits.REFER_IMAGES_MAX} and leave {count - limits.REFER_IMAGES_MAX} out."
        found.refuse("refer_images", rule, f"{count}", fix)


def _take_video(draft: ElementDraft, kind: str, found: Findings) -> str:
    """The video's link, or "". facts: video-count, video-people-only"""
    given = draft.video_url.strip()
    if kind == limits.IMAGE_REFER and given:
        rule = "must be empty with reference_type image_refer, where a video has no effect"
        fix = "leave video_url out, or set reference_type to video_refer."
        found.refuse("video_url", rule, "a video beside image_refer", fix)
        return ""
    if kind == limits.VIDEO_REFER and not given:
        rule = f"must be an https link to a video of one person with reference_type video_refer: {limits.VIDEO_RULE}"
        found.refuse("video_url", rule, "none", "give the link, or set reference_type to image_refer.")
    return found.take("", check_video_link, given, limits.VIDEO_RULE) if given else ""


def _take_voice(draft: ElementDraft, video_url: str, found: Findings) -> str:
    """The voice id, or ""."""
    if not draft.element_voice_id.strip():
        return ""
    voice_id = found.take("", text_rules.check_voice_id, draft.element_voice_id)
    if len(voice_id) not in {0, limits.VOICE_ID_USUAL_DIGITS}:
        found.warn(
            f"element_voice_id has {len(voice_id)} digits; the voice ids seen so far have "
            f"{limits.VOICE_ID_USUAL_DIGITS}, so check that it was copied in full."
        )
    if video_url:
        found.warn(  # facts: video-voice, video-voice-unreliable
            "element_voice_id is sent together with a video; Kling may also make a voice from the video and does "
            "not say which one wins, so check the voice of the finished element."
        )
    return voice_id


def _take_tags(draft: ElementDraft, found: Findings) -> tuple[str, ...]:
    """The tag ids; duplicates cause a warning, not an error."""
    tag_ids = found.take((), text_rules.check_tags, draft.tags)
    repeats = len(draft.tags) - len(tag_ids)
    if tag_ids and repeats:
        named = ", ".join(limits.TAGS[tag] for tag in tag_ids)
        found.warn(f"tags contained duplicates; each tag is sent once: {named}.")
    return tag_ids


def _take_callback(draft: ElementDraft, found: Findings) -> str:
    """The callback link, or ""."""
    given = draft.callback_url.strip()
    if not given:
        return ""
    link = found.take("", links.require_link, given, "callback_url", public=False)
    if link and links.is_private_host(link):
        found.warn("callback_url points to a private host, which Kling cannot reach: wait for the task instead.")
    return link


def _repeat_warnings(pictures: Sequence[Picture]) -> list[str]:
    """A warning per picture that was given before. fact: frontal-may-repeat"""
    first: dict[str, str] = {}
    warnings: list[str] = []
    for picture in pictures:
        earlier = first.setdefault(picture.digest(), picture.argument)
        if earlier != picture.argument:
            warnings.append(
                f"{picture.argument} is the same picture as {earlier}; Kling accepts that, "
                "but it makes a weaker element than another angle."
            )
    return warnings
