"""Writes tasks, elements and voices as the vendor's replies show them, including quirks.

Pure: (record, time, quirks) -> JSON-ready data. Must not change anything.
"""

from decimal import Decimal

from kling_mcp.simulator.pictures import is_link
from kling_mcp.simulator.quirks import Quirks
from kling_mcp.simulator.records import (
    FAILED,
    OFFICIAL,
    PROCESSING,
    SUBMITTED,
    SUCCEED,
    ElementTask,
    Made,
    Task,
    VoiceTask,
)
from kling_mcp.simulator.validation import TAG_NAMES

Json = dict[str, object]


def creation_reply(task: Task, now: float, quirks: Quirks) -> Json:
    """`data` of a create. fact: create-reply"""
    status = task.status_at(now)
    data: Json = {
        "task_id": task.task_id,
        **_task_info(task, status, quirks),
        "task_status": quirks.status_words.get(status, status),
        **_moments(task, now),
    }
    return with_extras(data, quirks)


def task_record(task: Made, now: float, quirks: Quirks) -> Json:
    """One record, as a query or a list shows it. facts: record-fields, element-fields"""
    return record_of(task, _task_result(task, task.status_at(now), quirks), now, quirks)


def record_of(task: Task, result: Json, now: float, quirks: Quirks) -> Json:
    """The record of any task of the older standard around its `task_result`. facts: record-fields"""
    status = task.status_at(now)
    data: Json = {
        "task_id": task.task_id,
        "task_status": quirks.status_words.get(status, status),
        "task_status_msg": task.failure if status == FAILED else "",  # fact: failed-has-no-code
        **_task_info(task, status, quirks),
        **result,
    }
    if status in {SUCCEED, FAILED}:  # facts: create-is-free, voice-cost, gen-billed-at-end
        units = billed_units(task, quirks)
        data["final_unit_deduction"] = format(units, "f") if quirks.deduction == "string" else float(units)
        data["final_balance_deduction"] = {"quota": "0", "list_price": "0"}
    return with_extras(data | _moments(task, now), quirks)


def billed_units(task: Task, quirks: Quirks) -> Decimal:
    """What a task that ended has cost (fact: price-failed-unknown)."""
    return task.units if quirks.bill_failed or not task.failure else Decimal(0)


def preset_record(task: Made, now: float, quirks: Quirks) -> Json:
    """A row of a preset list, with empty task fields if they are thin (fact: presets-thin)."""
    data = task_record(task, now, quirks)
    if quirks.presets_thin:
        data |= {"task_id": "", "task_status": "", "task_status_msg": "", "task_info": {}}
        for field in ("final_unit_deduction", "final_balance_deduction"):
            data.pop(field, None)
    return data


def _task_info(task: Task, status: str, quirks: Quirks) -> Json:
    running = status in {SUBMITTED, PROCESSING}
    if running and quirks.task_info == "missing-while-running":
        return {}
    hidden = quirks.task_info == "always-empty" or (running and quirks.task_info == "empty-while-running")
    if hidden or not task.external_task_id:
        return {"task_info": {}}
    return {"task_info": {"external_task_id": task.external_task_id}}


def _task_result(task: Made, status: str, quirks: Quirks) -> Json:
    if status != SUCCEED:
        missing = status != FAILED and quirks.task_info == "missing-while-running"
        return {} if missing else {"task_result": {}}  # fact: empty-while-running
    if isinstance(task, VoiceTask):
        return {"task_result": {"voices": [_voice(task, quirks)]}}  # fact: voice-record
    element = _element(task, quirks)
    return {"task_result": element if quirks.flat_result else {"elements": [element]}}  # fact: flat-result


def _moments(task: Task, now: float) -> Json:
    return {"created_at": round(task.created * 1000), "updated_at": round(task.updated_at(now) * 1000)}


def _element(element: ElementTask, quirks: Quirks) -> Json:
    data: Json = {
        "element_id": int(element.element_id) if quirks.element_id_json == "number" else element.element_id,
        "element_name": element.element_name,
        "element_description": element.element_description,
        "reference_type": None if quirks.reference_type_null else element.reference_type,
        "element_image_list": _images(element, quirks),
        "element_video_list": {"refer_videos": [{"video_url": element.video_url}]} if element.video_url else {},
        **_voice_info(element.voice if quirks.bind_voices else None, quirks),
        "tag_list": [_tag(tag, quirks) for tag in element.tags] if quirks.tags != "empty" else [],
        "owned_by": element.owned_by,
        "status": "succeed" if element.deleted_at is None else "deleted",
    }
    return with_extras(data, quirks)


def _tag(tag: str, quirks: Quirks) -> Json:
    if quirks.tags == "ids":
        return {"id": tag}
    return {"id": tag, "name": TAG_NAMES[tag], "description": TAG_NAMES[tag]}


def _voice_info(voice: VoiceTask | None, quirks: Quirks) -> Json:
    if voice is not None:
        return {"element_voice_info": _voice(voice, quirks)}
    return {"element_voice_info": {}} if quirks.no_voice_info == "empty" else {}


def _voice(voice: VoiceTask, quirks: Quirks) -> Json:
    data: Json = {
        "voice_id": voice.voice_id,
        "voice_name": voice.voice_name,
        "trial_url": trial_url(voice),
        "owned_by": voice.owned_by,
    }
    if voice.owned_by != OFFICIAL and voice.deleted_at is not None:
        data["status"] = "deleted"
    return with_extras(data, quirks)


def trial_url(voice: VoiceTask) -> str:
    """A made-up link."""
    return f"https://voices.example.com/{voice.voice_id}.mp3"


def _images(element: ElementTask, quirks: Quirks) -> Json:
    if quirks.pictures == "empty" or not element.frontal_image:
        return {}

    def shown(picture: str, name: str) -> str:
        if quirks.pictures == "as-sent" or is_link(picture):
            return picture
        return f"https://pictures.example.com/{element.element_id}-{name}.png"

    return {
        "frontal_image": shown(element.frontal_image, "frontal"),
        "refer_images": [
            {"image_url": shown(picture, f"refer-{place}")}
            for place, picture in enumerate(element.refer_images, start=1)
        ],
    }


def with_extras(data: Json, quirks: Quirks) -> Json:
    """With unknown fields, if the quirk says so."""
    return data | {"x_new_field": {"since": 2027, "why": None}} if quirks.extra_fields else data
