"""Checks a whole generation before anything is sent, and reports every problem of every input at once.

It reads the library and local pictures, and sends nothing to Kling but what the library needs. The result is the
request as it will be sent, what it is estimated to cost, and what a person should know before paying.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.errors import Problem
from kling_mcp.generation.bodies import ImageRequest, VideoRequest
from kling_mcp.generation.cast import choose_cast, find_cast_notes
from kling_mcp.generation.choosing import namesake_doubts, refusal
from kling_mcp.generation.image_rules import find_image_problems, route_of
from kling_mcp.generation.inputs import find_media_notes, find_shape_problems, load_image_media, load_video_media
from kling_mcp.generation.prices import Estimate, VideoCost, estimate_images, estimate_unlisted, estimate_video
from kling_mcp.generation.prompt import Prompt
from kling_mcp.generation.shots import parse_shots
from kling_mcp.generation.texts import RequestTexts, find_length_problems, find_text_notes
from kling_mcp.generation.video_rules import (
    cases_of,
    choose_route,
    find_problems_of_any_model,
    find_video_notes,
    find_video_problems,
    ratio_of,
    seconds_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.generation.bodies import UsedElement
    from kling_mcp.generation.cast import Cast
    from kling_mcp.generation.choosing import ExplainFailure
    from kling_mcp.generation.draft import ImageDraft, VideoDraft
    from kling_mcp.generation.inputs import LoadedMedia
    from kling_mcp.generation.models import VideoRoute
    from kling_mcp.generation.shots import Shot
    from kling_mcp.generation.texts import RenderedTexts
    from kling_mcp.library.index import Library
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.media.policy import MediaPolicy

_ADVICE = "Nothing was sent and nothing was paid. Correct the input and call again."


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedVideo:
    """A video request that may be sent.

    Attributes:
        elements: in the order of the request.
        notes: what a person should know before paying.
    """

    request: VideoRequest
    estimate: Estimate
    elements: tuple[LibraryElement, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedImages:
    """A picture request that may be sent; as `PreparedVideo`."""

    request: ImageRequest
    estimate: Estimate
    elements: tuple[LibraryElement, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a request is checked against.

    Attributes:
        explain: what is known of a creation that Kling refused, by its task id.
        extra_routes: of models that the table does not list.
    """

    library: Library
    policy: MediaPolicy
    has_api_key: bool
    explain: ExplainFailure
    extra_routes: tuple[VideoRoute, ...] = ()


async def prepare_video(draft: VideoDraft, within: Surroundings, known: Sequence[Problem] = ()) -> PreparedVideo:
    """The video request in the form that may be sent.

    Args:
        known: what else is wrong, to be told with the rest.

    Raises:
        KlingError: every problem of the input, as `bad_input` or the kind that they share.
    """
    shots, shot_problems = parse_shots(draft.shots)
    route = choose_route(draft, has_api_key=within.has_api_key, extra=within.extra_routes)
    texts = RequestTexts(Prompt(draft.prompt), shots)
    media = await to_thread.run_sync(load_video_media, draft, within.policy)
    cast = await choose_cast(within.library, texts, draft.elements, within.explain)
    cast.choice.refuse([*known, *shot_problems, *media.problems, *find_shape_problems(media, draft.aspect_ratio)])
    cast.choice.refuse(texts.find_problems(len(draft.images), has_video=bool(draft.video_url)))
    if isinstance(route, Problem):
        cast.choice.refuse([route, *_problems_of_any_model(draft, within, shots, cast)])
        raise await refusal(within.library, cast.choice, _ADVICE)
    cast.choice.refuse(find_video_problems(draft, route, shots, names_elements=cast.names_elements))
    cast.choice.refuse(cast.find_problems(route.target, cases_of(draft), len(draft.images) + bool(draft.first_frame)))
    used, rendered = cast.write(texts, route.target, route.standard)
    cast.choice.refuse(find_length_problems(rendered, route.standard, route.prompt_characters))
    if cast.choice.problems:
        raise await refusal(within.library, cast.choice, _ADVICE)
    request = _video_request(draft, route, media, used, rendered)
    notes = [
        *find_video_notes(draft, route),
        *find_text_notes(rendered),
        *find_cast_notes(cast, has_sound=draft.audio == "native", says_voice="native" in route.audio),
        *find_media_notes(texts, media, draft.aspect_ratio),
        *await namesake_doubts(within.library, cast.choice),
    ]
    estimate = _estimate(request, cast.elements)
    return PreparedVideo(request=request, estimate=estimate, elements=tuple(cast.elements), notes=tuple(notes))


async def prepare_images(draft: ImageDraft, within: Surroundings, known: Sequence[Problem] = ()) -> PreparedImages:
    """The picture request in the form that may be sent.

    Args:
        known: what else is wrong, to be told with the rest.

    Raises:
        KlingError: every problem of the input, as `bad_input` or the kind that they share.
    """
    route = route_of(draft)
    texts = RequestTexts(Prompt(draft.prompt))
    media = await to_thread.run_sync(load_image_media, draft, within.policy)
    cast = await choose_cast(within.library, texts, draft.elements, within.explain)
    cast.choice.refuse([*known, *find_image_problems(draft, route), *media.problems])
    cast.choice.refuse(texts.find_problems(len(draft.images) if route.names_pictures else 0, has_video=False))
    cast.choice.refuse(cast.find_problems(route.target, (), len(draft.images)))
    used, rendered = cast.write(texts, route.target, "older")
    cast.choice.refuse(find_length_problems(rendered, "older", route.prompt_characters))
    if cast.choice.problems:
        raise await refusal(within.library, cast.choice, _ADVICE)
    request = ImageRequest(
        route=route,
        prompt=rendered.prompt,
        elements=used,
        images=media.images,
        count=draft.count,
        aspect_ratio=draft.aspect_ratio or route.default_ratio,
        resolution=draft.resolution,
    )
    notes = [
        *find_cast_notes(cast, has_sound=False, says_voice=False),
        *find_media_notes(texts, media, draft.aspect_ratio, names_pictures=route.names_pictures),
        *await namesake_doubts(within.library, cast.choice),
    ]
    estimate = estimate_images(draft.model, draft.resolution, draft.count)
    return PreparedImages(request=request, estimate=estimate, elements=tuple(cast.elements), notes=tuple(notes))


def _problems_of_any_model(draft: VideoDraft, within: Surroundings, shots: Sequence[Shot], cast: Cast) -> list[Problem]:
    return find_problems_of_any_model(
        draft,
        shots,
        names_elements=cast.names_elements,
        has_api_key=within.has_api_key,
        extra=within.extra_routes,
    )


def _video_request(
    draft: VideoDraft,
    route: VideoRoute,
    media: LoadedMedia,
    used: tuple[UsedElement, ...],
    rendered: RenderedTexts,
) -> VideoRequest:
    return VideoRequest(
        route=route,
        prompt=rendered.prompt,
        shots=rendered.shots,
        elements=used,
        images=media.images,
        first_frame=media.first_frame,
        last_frame=media.last_frame,
        video_url=media.video_url,
        video_use=draft.video_use,
        seconds=None if draft.has_base_video else seconds_of(draft, [seconds for seconds, _ in rendered.shots]),
        aspect_ratio=ratio_of(draft, route),
        resolution=draft.resolution,
        audio=draft.audio,
    )


def _estimate(request: VideoRequest, elements: Sequence[LibraryElement]) -> Estimate:
    cost, route = _cost_of(request, elements), request.route
    return estimate_unlisted(cost, route.most_units_a_second) if route.like else estimate_video(cost)


def _cost_of(request: VideoRequest, elements: Sequence[LibraryElement]) -> VideoCost:
    """What decides the price. A base video brings its own seconds. fact: price-video-element"""
    route, seconds = request.route, request.seconds
    return VideoCost(
        model=route.model,
        resolution=request.resolution,
        audio=request.audio,
        seconds=(route.seconds[0], route.seconds[-1]) if seconds is None else (seconds, seconds),
        has_video=bool(request.video_url),
        has_video_element=any(element.reference_type != "image_refer" for element in elements),
        has_voice=any(element.voice_id for element in elements),
    )
