"""Writes tasks of every kind as `/tasks` shows them, and generations as the older routes show them.

facts: gen30-reply, tasks-outputs, tasks-image-outputs, tasks-element-output, tasks-element-references,
tasks-billing-fields, old-query, old-record, old-images

Pure: (task, view) -> JSON-ready data. Must not change anything.
"""

from dataclasses import dataclass

from kling_mcp.simulator.generation.results import link_to
from kling_mcp.simulator.quirks import Quirks
from kling_mcp.simulator.records import FAILED, SUCCEED, AnyTask, ElementTask, GenerationTask, VoiceTask
from kling_mcp.simulator.rendering import Json, billed_units, record_of, trial_url, with_extras
from kling_mcp.simulator.validation import TAG_NAMES

NEW_WORDS = {SUCCEED: "succeeded"}  # fact: terminal-succeed


@dataclass(frozen=True, slots=True)
class View:
    """When, how and from where a task is looked at. `origin` begins the links."""

    now: float
    quirks: Quirks
    origin: str


def new_status(task: AnyTask, now: float) -> str:
    """The documented word of the 3.0 standard."""
    status = task.status_at(now)
    return NEW_WORDS.get(status, status)


def new_creation(task: AnyTask, view: View) -> Json:
    """`data` of a create on a 3.0 route."""
    status = new_status(task, view.now)
    return with_extras(
        {
            "id": task.task_id,
            "status": view.quirks.status_words.get(status, status),
            "create_time": round(task.created * 1000),
            "update_time": round(task.updated_at(view.now) * 1000),
            "external_id": task.external_task_id,
        },
        view.quirks,
    )


def new_record(task: AnyTask, view: View) -> Json:
    """One row of `/tasks`, which names neither product nor model (fact: tasks-name-nothing)."""
    ended = task.ended <= view.now
    return {
        **new_creation(task, view),
        "message": task.failure if ended else "",
        view.quirks.tasks_outputs: _outputs(task, view) if ended and not task.failure else [],
        "billing": [_bill(task, view.quirks)] if ended else [],
    }


def older_record(task: GenerationTask, view: View) -> Json:
    """One record of an older route."""
    shown = {"watermark_info": {"enabled": task.order.watermark}}
    return record_of(task, shown | _older_result(task, view), view.now, view.quirks)


def _older_result(task: GenerationTask, view: View) -> Json:
    status = task.status_at(view.now)
    if status != SUCCEED:
        missing = status != FAILED and view.quirks.task_info == "missing-while-running"
        return {} if missing else {"task_result": {}}  # fact: empty-while-running
    if task.product == "video":
        (clip,) = _outputs(task, view)
        return {"task_result": {"videos": [{name: clip[name] for name in clip if name != "type"}]}}
    pictures: list[Json] = [
        {"index": place, "url": row["url"], "watermark_url": row["watermark_url"]}
        for place, row in enumerate(_outputs(task, view))
    ]
    return {"task_result": {"series_images" if task.order.grouped else "images": pictures}}


def _outputs(task: AnyTask, view: View) -> list[Json]:
    if isinstance(task, ElementTask):
        return [_element(task, view.quirks)]
    if isinstance(task, VoiceTask):
        return [_voice(task)]
    return [_result(task, place, view) for place in range(task.order.pictures or 1)]


def _result(task: GenerationTask, place: int, view: View) -> Json:
    marked = task.order.watermark
    links: Json = {
        "url": link_to(task, place, view.origin, view.quirks),
        "watermark_url": link_to(task, place, view.origin, view.quirks, watermark=True) if marked else "",
    }
    if task.product == "video":
        return {"type": "video", "id": clip_id(task), **links, "duration": f"{task.order.seconds}.041"}
    group = {"group_id": task.task_id} if task.order.grouped else {}
    return {"type": "image", **links, **group}


def clip_id(task: GenerationTask) -> str:
    """The id of the clip, which is not the task's."""
    return str(int(task.task_id) + 1)


def _element(task: ElementTask, quirks: Quirks) -> Json:
    pictures = [("frontal", task.frontal_image), *((quirks.tasks_role, one) for one in task.refer_images)]
    references: list[Json] = [{"type": "image", "role": role, "url": url} for role, url in pictures if url]
    if task.video_url:
        references.append({"type": "video", "role": "refer", "url": task.video_url})
    if task.voice is not None and quirks.bind_voices:
        voice = {"id": task.voice.voice_id, "name": task.voice.voice_name, "owned_by": task.voice.owned_by}
        references.append({"type": "voice", "role": "refer", "url": trial_url(task.voice), **voice})
    return {
        "type": "element",
        "id": task.element_id,
        "name": task.element_name,
        "description": task.element_description,
        "element_type": "video_character_elements" if task.video_url else "multi_image_elements",
        quirks.tasks_materials: references,
        "owned_by": task.owned_by,
        "status": "succeeded" if task.deleted_at is None else "deleted",
        "tags": [{"id": tag, "name": TAG_NAMES[tag], "description": TAG_NAMES[tag]} for tag in task.tags],
    }


def _voice(task: VoiceTask) -> Json:
    return {
        "type": "voice",
        "id": task.voice_id,
        "name": task.voice_name,
        "url": trial_url(task),
        "owned_by": task.owned_by,
        "status": "succeeded" if task.deleted_at is None else "deleted",
    }


def _bill(task: AnyTask, quirks: Quirks) -> Json:
    return {
        "charge_type": "unit",
        "cash_type": "",
        "amount": format(billed_units(task, quirks), "f"),
        "currency": "",
        "package_type": task.product,
        "list_price": "",
    }
