"""The route of a picture model, and every rule of it that needs neither the library nor a picture's bytes. Pure.

facts: old-images, gen-unknown-fields-billed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import Problem
from kling_mcp.generation.models import IMAGE_ROUTES
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_mcp.generation.draft import ImageDraft
    from kling_mcp.generation.models import ImageRoute

_OMNI = "3.0-omni"


def route_of(draft: ImageDraft) -> ImageRoute:
    """The route of the draft's model; both kinds of credential can use it. fact: gen-two-standards"""
    return next(route for route in IMAGE_ROUTES if route.model == draft.model)


def find_image_problems(draft: ImageDraft, route: ImageRoute) -> Iterator[Problem]:
    """Every rule that this request breaks."""
    if not draft.prompt.strip():
        yield Problem("prompt", "must not be empty", "an empty text", "say what the picture shows.")
    if not 1 <= draft.count <= route.most:
        yield Problem("count", f"must be 1 to {route.most}", str(draft.count), "make the rest with another take.")
    if draft.resolution not in route.resolutions:
        fix = f'choose one of these, or model "{_OMNI}".'
        rule = f"must be {' or '.join(route.resolutions)} for model {draft.model}"
        yield Problem("resolution", rule, quote(draft.resolution), fix)
    if draft.aspect_ratio and draft.aspect_ratio not in route.aspect_ratios:
        rule = f"must be one of {', '.join(route.aspect_ratios)} for model {draft.model}"
        yield Problem("aspect_ratio", rule, quote(draft.aspect_ratio), "choose the nearest of these.")
    if len(draft.images) > route.pictures:
        most = "1 picture" if route.pictures == 1 else f"{route.pictures} pictures"
        fix = "leave some out." if route.names_pictures else f'leave some out, or use model "{_OMNI}".'
        yield Problem("images", f"must hold at most {most} for model {draft.model}", str(len(draft.images)), fix)
