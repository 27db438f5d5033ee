"""What the proofs ask for. A description tells whose element it is, so that none can pass for another's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.elements.draft import ElementDraft

if TYPE_CHECKING:
    from kling_mcp.simulator import World
    from kling_mcp.simulator.records import ElementTask


def draft_of(name: str, description: str = "", external_task_id: str = "") -> ElementDraft:
    """A creation that needs no picture; its description is unique to the wish."""
    return ElementDraft(
        element_name=name,
        element_description=description or f"the one {name}",
        reference_type="video_refer",
        video_url="https://example.com/clip.mp4",
        external_task_id=external_task_id,
    )


def named(draft: ElementDraft, external_task_id: str) -> ElementDraft:
    """The same content under a caller's own id."""
    return replace(draft, external_task_id=external_task_id)


def tasks_at(world: World) -> list[ElementTask]:
    """Every element task that Kling ever accepted, oldest first, late ones included."""
    world.settle()
    return [task for account in world.accounts.values() for task in account.elements.values()]


def tasks_for(world: World, draft: ElementDraft) -> list[ElementTask]:
    """Those with this content."""
    return [task for task in tasks_at(world) if task.element_description == draft.element_description]
