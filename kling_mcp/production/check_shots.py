"""One shot: whether its values fit together, by the rules for generations, with the place in the sheet.

What needs the library (names in prompts) or the credential is checked when a plan is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kling_mcp.errors import InputError, Problem
from kling_mcp.generation.draft import VideoDraft
from kling_mcp.generation.inputs import VIDEO_FORM
from kling_mcp.generation.prompt import Prompt
from kling_mcp.generation.shots import parse_shots
from kling_mcp.generation.video_rules import choose_route, find_problems_of_any_model, find_video_problems
from kling_mcp.media.inputs import check_video_link
from kling_mcp.production.check_cast import check_alias
from kling_mcp.production.fields import split_index, way
from kling_mcp.production.model import Shot
from kling_mcp.results.names import parse_save_as
from kling_mcp.sanitize import as_shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.generation.draft import VideoUse
    from kling_mcp.generation.models import Audio, VideoModel, VideoResolution
    from kling_mcp.production.fields import Problems, Slot
    from kling_mcp.production.model import Place
    from kling_mcp.production.sheet_media import SheetMedia


def check_shot(
    shot_id: str,
    place: Place,
    slots: Mapping[str, Slot],
    media: SheetMedia,
    *,
    names: frozenset[str],
    problems: Problems,
) -> Shot:
    """The shot, as far as its values can be read; whatever is wrong with it is among the problems.

    Args:
        names: of the cast, as they are shown.
    """
    path = way("shots", shot_id)
    check_alias(shot_id, path, place, problems)
    shot = _make(shot_id, place, slots, media)
    for problem in _find_problems(shot, names):
        name, index = split_index(problem.argument)
        if name == "prompt" and problems.is_set_aside(way(path, "shots")):
            continue  # there are cuts in its place, which could not be read
        slot = slots.get(name)
        at = place if slot is None else slot.items[index] if index is not None and slot.items else slot.place
        argument = f"{way(path, name)}{'' if index is None else f'[{index}]'}"
        problems.relay(problem, argument, at)
    return shot


def draft_of(shot: Shot) -> VideoDraft:
    """What `generate_video` is asked for one take of the shot."""
    return VideoDraft(
        prompt=shot.prompt,
        elements=shot.elements,
        images=tuple(media.source for media in shot.images),
        first_frame=shot.first_frame.source if shot.first_frame else "",
        last_frame=shot.last_frame.source if shot.last_frame else "",
        video_url=shot.video_url,
        video_use=shot.video_use,
        shots=shot.shots,
        model=shot.model,
        duration=shot.duration,
        aspect_ratio=shot.aspect_ratio or None,
        resolution=shot.resolution,
        audio=shot.audio,
    )


def _make(shot_id: str, place: Place, slots: Mapping[str, Slot], media: SheetMedia) -> Shot:
    def text(key: str, otherwise: str = "") -> str:
        return (slots[key].text.strip() if key in slots else "") or otherwise

    def number(key: str) -> int | None:
        return value if key in slots and isinstance(value := slots[key].value, int) else None

    def texts(key: str) -> tuple[str, ...]:
        return slots[key].texts if key in slots else ()

    # The length that most shots share is not that of one with cuts, which have their own.
    has_own_length = "duration" in slots and not (texts("shots") and slots["duration"].is_default)
    return Shot(
        id=shot_id,
        place=place,
        prompt=text("prompt"),
        elements=texts("elements"),
        images=media.pictures(slots["images"]) if "images" in slots else (),
        first_frame=media.picture(slots["first_frame"]) if text("first_frame") else None,
        last_frame=media.picture(slots["last_frame"]) if text("last_frame") else None,
        video_url=text("video_url"),
        video_use=cast("VideoUse", text("video_use", "feature")),
        shots=texts("shots"),
        model=cast("VideoModel", text("model", "3.0-omni")),
        duration=number("duration") if has_own_length else None,
        aspect_ratio=text("aspect_ratio"),
        resolution=cast("VideoResolution", text("resolution", "720p")),
        audio=cast("Audio", text("audio", "off")),
        takes=number("takes") or 1,
        save_as=_save_as(text("save_as"), shot_id),
    )


def _save_as(given: str, shot_id: str) -> str:
    """Files are named after their shot, unless a name is given; a folder holds files that are."""
    return given + shot_id if not given or given.endswith(("/", "\\")) else given


def _find_problems(shot: Shot, names: frozenset[str]) -> list[Problem]:
    draft = draft_of(shot)
    shots, found = parse_shots(draft.shots)
    # The kind of credential with more routes: what a key pair cannot do is said by a plan, which knows it.
    route = choose_route(draft, has_api_key=True)
    prompts = [Prompt(draft.prompt), *(shot.prompt for shot in shots)]
    named = _names_elements(prompts, names, surely=shot.model != "o1")
    if isinstance(route, Problem):
        others = find_problems_of_any_model(draft, shots, names_elements=named, has_api_key=True)
        found += [route, *others]
    else:
        found += find_video_problems(draft, route, shots, names_elements=named)
    for check, value in ((_check_save_as, shot.save_as), (_check_video, shot.video_url)):
        try:
            check(value)
        except InputError as error:
            found += error.problems
    return found


def _names_elements(prompts: list[Prompt], names: frozenset[str], *, surely: bool) -> bool:
    """Whether a text names an element: one of the cast, or where only that helps, perhaps one of the library."""
    mentions = [mention for prompt in prompts for mention in prompt.mentions if mention.names]
    return any(not surely or any(as_shown(name) in names for name, _ in mention.names) for mention in mentions)


def _check_save_as(given: str) -> None:
    parse_save_as(given)


def _check_video(given: str) -> None:
    if given:
        check_video_link(given, VIDEO_FORM)
