"""What a video will cost, and what is wrong with it, before the elements that it shows exist.

Only the elements themselves, their handles and the length of the text as it is sent are checked later, by `prepare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.errors import InputError, Problem
from kling_mcp.generation.inputs import load_video_media
from kling_mcp.generation.prices import Estimate, VideoCost, estimate_unlisted, estimate_video
from kling_mcp.generation.prompt import Prompt
from kling_mcp.generation.shots import parse_shots
from kling_mcp.generation.texts import RequestTexts
from kling_mcp.generation.video_rules import choose_route, find_problems_of_any_model, find_video_problems, seconds_of

if TYPE_CHECKING:
    from kling_mcp.generation.draft import VideoDraft
    from kling_mcp.generation.inputs import LoadedMedia
    from kling_mcp.generation.prepare import Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenElements:
    """What of the elements of a video decides its price: whether one is made from a video, whether one has a voice."""

    has_video_element: bool = False
    has_voice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenVideo:
    """What is known of the video already."""

    estimate: Estimate
    media: LoadedMedia


async def foresee_video(draft: VideoDraft, within: Surroundings, elements: ForeseenElements) -> ForeseenVideo:
    """The price, and the pictures.

    Raises:
        InputError: every problem of the input, apart from its elements.
    """
    shots, problems = parse_shots(draft.shots)
    route = choose_route(draft, has_api_key=within.has_api_key, extra=within.extra_routes)
    texts = RequestTexts(Prompt(draft.prompt), shots)
    media = await to_thread.run_sync(load_video_media, draft, within.policy)
    found = [
        *problems,
        *media.problems,
        *texts.find_problems(len(draft.images), has_video=bool(draft.video_url)),
    ]
    if isinstance(route, Problem):
        has_api_key, extra = within.has_api_key, within.extra_routes
        others = find_problems_of_any_model(draft, shots, names_elements=True, has_api_key=has_api_key, extra=extra)
        raise InputError([route, *found, *others])
    found += find_video_problems(draft, route, shots, names_elements=True)
    if found:
        raise InputError(found)
    seconds = seconds_of(draft, [shot.seconds for shot in shots])
    cost = VideoCost(
        model=route.model,
        resolution=draft.resolution,
        audio=draft.audio,
        seconds=(route.seconds[0], route.seconds[-1]) if draft.has_base_video else (seconds, seconds),
        has_video=bool(draft.video_url),
        has_video_element=elements.has_video_element,
        has_voice=elements.has_voice,
    )
    estimate = estimate_unlisted(cost, route.most_units_a_second) if route.like else estimate_video(cost)
    return ForeseenVideo(estimate=estimate, media=media)
