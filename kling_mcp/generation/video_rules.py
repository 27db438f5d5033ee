"""Which route makes a video, and every rule of it that needs neither the library nor a picture's bytes. Pure.

Kling ignores what a route does not know and bills the result, so each rule is a refusal, not a silent change. All
problems of a request are found at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.choices import nearest
from kling_mcp.errors import Problem
from kling_mcp.generation.models import VIDEO_ROUTES
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kling_mcp.generation.draft import VideoDraft
    from kling_mcp.generation.models import VideoRoute
    from kling_mcp.generation.shots import Shot
    from kling_mcp.generation.targets import Case

DEFAULT_SECONDS = 5
DEFAULT_RATIO = "16:9"
_OMNI = "3.0-omni"
# O1 from text alone or from one first frame. facts: gen30-models, old-omni-fields
_O1_SHORT_OF_REFERENCES = (5, 10)


def choose_route(draft: VideoDraft, *, has_api_key: bool, extra: Sequence[VideoRoute] = ()) -> VideoRoute | Problem:
    """The route for this model, these inputs and this kind of credential. facts: gen-two-standards, gen30-routes

    An API key uses the 3.0 standard, a key pair the older one (fact: auth-pair-legacy-only).

    Args:
        extra: of models that the table does not list.
    """
    known = [route for route in (*VIDEO_ROUTES, *extra) if route.model == draft.model]
    if not known:
        return _unknown_model(draft.model, extra)
    routes = [route for route in known if route.needs_api_key == has_api_key]
    fitting = [route for route in routes if _takes_frame_of(draft, route)]
    if not routes:
        fix = f'use model "{_OMNI}", or set KLING_API_KEY instead of the key pair.'
        return Problem("model", "must be a model that takes a key pair", quote(draft.model), fix)
    if fitting:
        return fitting[0]
    if draft.first_frame:
        fix = f'leave it out, or use model "{_OMNI}".'
        return Problem("first_frame", f"must be empty for model {draft.model}", "a picture", fix)
    fix = f'give one, or use model "{_OMNI}", which makes videos from text{_by_credential(routes[0], ", too")}.'
    return Problem("first_frame", f"must be given for model {draft.model}{_by_credential(routes[0])}", "none", fix)


def _takes_frame_of(draft: VideoDraft, route: VideoRoute) -> bool:
    return route.first_frame != ("none" if draft.first_frame else "required")


def seconds_of(draft: VideoDraft, shots: Sequence[int]) -> int:
    """How long the video is to be, given the seconds of its shots; a base video decides itself."""
    return draft.duration if draft.duration is not None else sum(shots) or DEFAULT_SECONDS


def ratio_of(draft: VideoDraft, route: VideoRoute) -> str:
    """The aspect ratio that is sent: "" where the route has none, or a frame or a base video decides."""
    if not route.aspect_ratios or draft.first_frame or draft.has_base_video:
        return ""
    return draft.aspect_ratio or DEFAULT_RATIO


def cases_of(draft: VideoDraft) -> set[Case]:
    """The cases of the limits matrix that hold for this request. fact: omni-counts"""
    cases: set[Case] = {"video" if draft.video_url else "no_video"}
    if draft.first_frame:
        cases.add("frames")
    if draft.last_frame:
        cases.add("last_frame")
    return cases


def find_video_problems(
    draft: VideoDraft, route: VideoRoute, shots: Sequence[Shot], *, names_elements: bool
) -> list[Problem]:
    """Every rule that this request breaks.

    Args:
        shots: those of the draft that could be read.
        names_elements: whether the prompt or a shot names an element.
    """
    return [
        *_text_problems(draft, route),
        *_input_problems(draft, route, names_elements=names_elements),
        *_frame_problems(draft, route),
        *_setting_problems(draft, route),
        *_time_problems(draft, route, shots, names_elements=names_elements),
    ]


def find_problems_of_any_model(
    draft: VideoDraft,
    shots: Sequence[Shot],
    *,
    names_elements: bool,
    has_api_key: bool,
    extra: Sequence[VideoRoute] = (),
) -> list[Problem]:
    """What is wrong whichever model is chosen, in the words of the usual one, where a draft has no route.

    Args:
        shots, names_elements: as for `find_video_problems`.
    """
    routes = [
        route
        for route in (*VIDEO_ROUTES, *extra)
        if route.needs_api_key == has_api_key and _takes_frame_of(draft, route)
    ]
    found = [
        find_video_problems(replace(draft, model=route.model), route, shots, names_elements=names_elements)
        for route in routes
    ]
    always = set.intersection(*({problem.argument for problem in problems} for problems in found))
    usual = found[[route.model for route in routes].index(_OMNI)]
    return [problem for problem in usual if problem.argument in always]


def find_video_notes(draft: VideoDraft, route: VideoRoute) -> list[str]:
    """What a person should know before paying, though nothing is wrong."""
    notes = []
    if route.like:
        notes.append(
            f"Model {draft.model} is known from this server's settings alone: the request was checked by the rules of "
            f"{route.like}."
        )
    if not route.audio and draft.audio == "off":
        notes.append(f"Model {draft.model} always makes sound; audio=off has no effect.")
    if draft.aspect_ratio and draft.has_base_video:
        notes.append(f"The base video decides the shape of the video; aspect_ratio={draft.aspect_ratio} is not sent.")
    if draft.has_base_video and draft.duration is not None:
        notes.append("The base video decides how long the video is; duration is not sent.")
    return notes


def _text_problems(draft: VideoDraft, route: VideoRoute) -> Iterator[Problem]:
    if draft.shots and draft.prompt.strip():
        yield Problem("prompt", "must be empty beside shots", quote(draft.prompt, 60), "move it into the shots.")
    if not draft.shots and not draft.prompt.strip():
        yield Problem("prompt", "must not be empty", "an empty text", "say what happens in the video, or give shots.")
    if draft.shots and not route.cuts:
        fix = f'use model "{_OMNI}", or make one video for each shot.'
        yield Problem("shots", f"must be empty for model {draft.model}", f"{len(draft.shots)}", fix)
    if draft.shots and draft.has_base_video:  # fact: gen30-with-video
        fix = "leave the shots out, or use the video with video_use=feature."
        yield Problem("shots", "must be empty with a base video", f"{len(draft.shots)}", fix)


def _input_problems(draft: VideoDraft, route: VideoRoute, *, names_elements: bool) -> Iterator[Problem]:
    """facts: element-targets, no-elements, gen30-models"""
    if route.target is None and (names_elements or draft.elements):
        argument = "elements" if draft.elements else "prompt"
        with_frame = " or give a first_frame" if draft.model == "3.0" else ""
        fix = f'use model "{_OMNI}"{with_frame}, or leave the elements out.'
        yield Problem(argument, f"must name no element for model {draft.model} from {_basis(draft)}", "some", fix)
    if route.references:
        return
    fix = f'use model "{_OMNI}", or leave it out.'
    if draft.images:
        rule = f"must be empty for model {draft.model}, which takes no reference pictures"
        yield Problem("images", rule, f"{len(draft.images)}", fix)
    if draft.video_url:
        rule = f"must be empty for model {draft.model}, which takes no reference video"
        yield Problem("video_url", rule, "a link", fix)


def _frame_problems(draft: VideoDraft, route: VideoRoute) -> Iterator[Problem]:
    """facts: gen30-models, gen30-with-video, old-omni-fields, old-image2video-fields"""
    if draft.last_frame and not draft.first_frame:
        yield Problem("last_frame", "must come with a first_frame", "no first_frame", "give a first_frame, too.")
    elif draft.last_frame and not route.last_frame:
        fix = f'use model "{_OMNI}", or leave last_frame out.'
        yield Problem("last_frame", f"must be empty for model {draft.model}", "a picture", fix)
    if draft.last_frame and draft.images and route.references:
        rule = "must be empty with a last frame: Kling takes two pictures then"
        yield Problem("images", rule, f"{len(draft.images)}", "leave the pictures or the last frame out.")
    if draft.has_base_video and (draft.first_frame or draft.last_frame):
        argument = "first_frame" if draft.first_frame else "last_frame"
        yield Problem(argument, "must be empty with a base video", "a picture", "leave the frame or the video out.")
    if draft.model == "o1" and draft.has_feature_video and draft.last_frame:
        fix = "leave the last frame or the video out."
        yield Problem("last_frame", "must be empty with a reference video for model o1", "a picture", fix)


def _setting_problems(draft: VideoDraft, route: VideoRoute) -> Iterator[Problem]:
    """facts: gen30-models, gen30-with-video, old-omni-fields"""
    if draft.resolution not in route.resolutions:
        fix = f"choose one of these{f', or model {_OMNI}' if draft.resolution == '4k' else ''}."
        rule = f"must be {_either(route.resolutions)} for model {draft.model}{_by_credential(route)}"
        yield Problem("resolution", rule, quote(draft.resolution), fix)
    if draft.aspect_ratio and route.aspect_ratios and draft.aspect_ratio not in route.aspect_ratios:
        rule = f"must be {_either(route.aspect_ratios)}"
        yield Problem("aspect_ratio", rule, quote(draft.aspect_ratio), "choose the nearest of these.")
    yield from _audio_problems(draft, route)


def _audio_problems(draft: VideoDraft, route: VideoRoute) -> Iterator[Problem]:
    given = quote(draft.audio)
    if draft.audio == "original" and not draft.has_base_video:
        fix = "use off or native, or give the video with video_use=base."
        yield Problem("audio", "must be off or native without a base video", given, fix)
    elif draft.audio == "native" and draft.video_url:
        words = "off or original" if draft.has_base_video else "off"
        yield Problem("audio", f"must be {words} with a {draft.video_use} video", given, f"use {words}.")
    elif route.audio and draft.audio not in route.audio:
        fix = f'use off, or model "{_OMNI}".'
        yield Problem("audio", f"must be {_either(route.audio)} for model {draft.model}", given, fix)


def _time_problems(
    draft: VideoDraft, route: VideoRoute, shots: Sequence[Shot], *, names_elements: bool
) -> Iterator[Problem]:
    """facts: gen30-models, gen30-shots, old-omni-fields"""
    if draft.has_base_video:
        return
    seconds = seconds_of(draft, [shot.seconds for shot in shots])
    total = sum(shot.seconds for shot in shots)
    first, last = route.seconds[0], route.seconds[-1]
    if shots and len(shots) == len(draft.shots) and total != seconds:
        fix = "leave duration out, or change the seconds of the shots."
        yield Problem("duration", f"must be what the shots add up to, {total}", str(seconds), fix)
    elif len(shots) != len(draft.shots) and draft.duration is None:
        return  # the seconds of a shot that cannot be read are missing
    elif seconds not in route.seconds:
        argument = "duration" if draft.duration is not None else "shots"
        rule = f"must be {first} to {last} whole seconds{' in all' if shots else ''} for model {draft.model}"
        yield Problem(argument, rule, str(seconds), "shorten it." if seconds > last else "make it longer.")
    elif (
        draft.model == "o1" and not _has_o1_references(draft, names_elements) and seconds not in _O1_SHORT_OF_REFERENCES
    ):
        rule = f"must be {_either(_O1_SHORT_OF_REFERENCES)} for model o1 from {_basis(draft)} alone"
        yield Problem("duration", rule, str(seconds), f'use one of these, or model "{_OMNI}".')


def _has_o1_references(draft: VideoDraft, names_elements: bool) -> bool:
    """Sources disagree on elements beside a first frame: only pictures and a video count then."""
    has_elements = names_elements or bool(draft.elements)
    return bool(draft.images or draft.video_url or (has_elements and not draft.first_frame))


def _basis(draft: VideoDraft) -> str:
    return "a first frame" if draft.first_frame else "text"


def _by_credential(route: VideoRoute, ending: str = "") -> str:
    return "" if route.needs_api_key else f" with a key pair{ending}"


def _unknown_model(given: str, extra: Sequence[VideoRoute]) -> Problem:
    """Kling may have it, but neither its rules nor its price are known here."""
    names = list(dict.fromkeys(route.model for route in (*VIDEO_ROUTES, *extra)))
    near = nearest(given, names)
    meant = f"did you mean {near}?" if near else "use one of them."
    fix = f"{meant} The operator of this server can add a newer model with KLING_MCP_EXTRA_MODELS."
    return Problem("model", f"must be {_either(names)}", quote(given, 60), fix)


def _either(words: Sequence[object]) -> str:
    *others, last = map(str, words)
    return f"{', '.join(others)} or {last}" if others else last
