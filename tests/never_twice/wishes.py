"""What the proofs ask for, of every kind. Content is unique to a request, so that no task can pass for another's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kling_mcp.elements.draft import ElementDraft
from kling_mcp.generation.draft import ImageDraft, VideoDraft
from kling_mcp.simulator.records import ElementTask, GenerationTask

if TYPE_CHECKING:
    from kling_mcp.simulator import World
    from kling_mcp.simulator.records import AnyTask


@dataclass(frozen=True, slots=True)
class VoiceDraft:
    """A voice to be made; its link is unique to the request."""

    voice_name: str
    voice_url: str
    external_task_id: str = ""


GenerationDraft = VideoDraft | ImageDraft
Draft = ElementDraft | VoiceDraft | GenerationDraft


def draft_of(name: str, description: str = "", external_task_id: str = "") -> ElementDraft:
    """A creation that needs no picture; its description is unique to the wish."""
    return ElementDraft(
        element_name=name,
        element_description=description or f"the one {name}",
        reference_type="video_refer",
        video_url="https://example.com/clip.mp4",
        external_task_id=external_task_id,
    )


def voice_of(name: str, content: str = "", external_task_id: str = "") -> VoiceDraft:
    """A voice that nothing else asks for."""
    return VoiceDraft(name, f"https://example.com/{(content or name).replace(' ', '-')}.mp3", external_task_id)


def video_of(content: str) -> VideoDraft:
    """A clip that nothing else asks for."""
    return VideoDraft(prompt=content, aspect_ratio="16:9")


def pictures_of(content: str) -> ImageDraft:
    """Two pictures that nothing else asks for."""
    return ImageDraft(prompt=content, count=2)


def caller_id_of(draft: Draft) -> str:
    """The caller's own id, or ""; generations have none."""
    return "" if isinstance(draft, GenerationDraft) else draft.external_task_id


def content_of(draft: Draft) -> str:
    """What is unique to a request."""
    if isinstance(draft, GenerationDraft):
        return draft.prompt
    return draft.voice_url if isinstance(draft, VoiceDraft) else draft.element_description


def route_of(draft: Draft, *, has_pair: bool = False) -> str:
    """The simulator's name of the route that makes it."""
    match draft:
        case ElementDraft():
            return "create"
        case VoiceDraft():
            return "voice-create"
        case ImageDraft():
            return "v1-omni-image"
    return "v1-omni-video" if has_pair else "omni-video"


def content_of_task(task: AnyTask) -> str:
    """What is unique to the request that made a task."""
    if isinstance(task, GenerationTask):
        return task.order.prompt
    return task.element_description if isinstance(task, ElementTask) else task.voice_url


def named(draft: ElementDraft, external_task_id: str) -> ElementDraft:
    """The same content under a caller's own id."""
    return replace(draft, external_task_id=external_task_id)


def elements_at(world: World) -> list[ElementTask]:
    """Every element task that Kling ever accepted, oldest first, late ones included."""
    world.settle()
    return [task for account in world.accounts.values() for task in account.elements.values()]


def tasks_at(world: World) -> list[AnyTask]:
    """The same of every kind."""
    voices = [task for account in world.accounts.values() for task in account.voices.values()]
    return [*elements_at(world), *voices, *world.generations.values()]


def tasks_for(world: World, draft: Draft) -> list[AnyTask]:
    """Those with this content."""
    return [task for task in tasks_at(world) if content_of_task(task) == content_of(draft)]
