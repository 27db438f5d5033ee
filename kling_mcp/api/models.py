"""Kling's records, read tolerantly: every field optional, ids as strings, unknown fields ignored.

`server.views` shapes them for callers.
facts: record-fields, element-fields, voice-record
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr, model_validator

from kling_mcp.api.ids import MAX_SAFE_INTEGER

TaskStatus = Literal["submitted", "processing", "succeed", "failed", "unknown"]

# Per task. A reply with hundreds is broken, and would swamp the reader.
MAX_ELEMENTS = 16
# Of a list inside a record. Longer ones are broken as well, and each entry costs as much as a page of text.
_MAX_LISTED, _MAX_TAGS = 1000, 64
# Made once: a list has thousands of them.
_OBJECT = (dict, BaseModel)
_TAG = (str, int, *_OBJECT)
_STATUS_WORDS: dict[str, TaskStatus] = {
    "submitted": "submitted",
    "processing": "processing",
    "succeed": "succeed",
    "succeeded": "succeed",  # fact: terminal-succeed (new routes)
    "failed": "failed",
}


def _read_id(value: Any) -> str:
    """An id as text, whatever form it came in. fact: id-as-string

    Python reads JSON integers exactly, so a number of 18 digits is safe here. A float is not: its digits
    are already lost above 2^53, and a wrong id is worse than none.
    """
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) <= MAX_SAFE_INTEGER else ""
    return value.strip() if isinstance(value, str) else ""


def _read_text(value: Any) -> str:
    """Text, or "" for null; a number (units, voice ids before 2026-03-11) becomes its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(value) if isinstance(value, int) or not value.is_integer() else str(int(value))


def _read_ms(value: Any) -> int:
    """Unix milliseconds; text and floats are tolerated, anything else, including dates out of range, is 0."""
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() and len(value) < 20 else 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if abs(value) <= MAX_SAFE_INTEGER else 0  # also excludes NaN


def read_object(value: Any) -> Any:
    """An object, or {} where Kling sends null, a list or text. fact: empty-while-running"""
    return value if isinstance(value, _OBJECT) else {}


def read_objects(value: Any) -> list[Any]:
    """The objects of a list; null or a bare object is tolerated."""
    if isinstance(value, dict):
        return [value]
    items = value[:_MAX_LISTED] if isinstance(value, list) else []
    return [item for item in items if isinstance(item, _OBJECT)]


def _read_tags(value: Any) -> list[Any]:
    """Tags come as [], as objects with `id` or `tag_id`, or as bare ids. fact: tags-every-form"""
    items = value[:_MAX_TAGS] if isinstance(value, list) else []
    readable = [item for item in items if item and isinstance(item, _TAG)]
    return [item if isinstance(item, _OBJECT) else {"id": item} for item in readable]


def _read_status(value: Any) -> TaskStatus:
    """Kling's word, or `unknown`, which must not be polled forever. fact: status-unknown"""
    return _STATUS_WORDS.get(value.strip().lower(), "unknown") if isinstance(value, str) else "unknown"


# The usual form comes first, and costs no call of Python: a list has thousands of texts.
Id = Annotated[
    Annotated[StrictStr, Field(pattern=r"^[!-~]*$")] | Annotated[str, BeforeValidator(_read_id)],
    Field(union_mode="left_to_right"),
]
Text = Annotated[StrictStr | Annotated[str, BeforeValidator(_read_text)], Field(union_mode="left_to_right")]
Milliseconds = Annotated[
    Annotated[StrictInt, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)] | Annotated[int, BeforeValidator(_read_ms)],
    Field(union_mode="left_to_right"),
]


class FromKling(BaseModel):
    # Built at first use: a server that only lists its tools never reads a reply.
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True, defer_build=True)


class Tag(FromKling):
    """A tag as Kling names it; `name` may be empty."""

    tag_id: Id = ""
    name: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_both_spellings(cls, data: Any) -> Any:
        if isinstance(data, dict) and "tag_id" not in data and "id" in data:
            return {**data, "tag_id": data["id"]}
        return data


class VoiceInfo(FromKling):
    """The voice bound to an element; all empty if there is none."""

    voice_id: Id = ""
    voice_name: Text = ""
    trial_url: Text = ""
    owned_by: Id = ""


class ReferImage(FromKling):
    """One further picture of an image element."""

    image_url: Text = ""


class ImageList(FromKling):
    """The pictures of an image element, as sent or as links."""

    frontal_image: Text = ""
    refer_images: Annotated[list[ReferImage], BeforeValidator(read_objects)] = Field(default_factory=list)


class ReferVideo(FromKling):
    """The clip of a video element."""

    video_url: Text = ""


class VideoList(FromKling):
    """The clips of a video element."""

    refer_videos: Annotated[list[ReferVideo], BeforeValidator(read_objects)] = Field(default_factory=list)


class Element(FromKling):
    """A reusable subject. `status` is Kling's: `succeed`, or `deleted` once removed."""

    element_id: Id = ""
    element_name: Text = ""
    element_description: Text = ""
    reference_type: Text = ""
    element_image_list: Annotated[ImageList, BeforeValidator(read_object)] = Field(default_factory=ImageList)
    element_video_list: Annotated[VideoList, BeforeValidator(read_object)] = Field(default_factory=VideoList)
    element_voice_info: Annotated[VoiceInfo, BeforeValidator(read_object)] = Field(default_factory=VoiceInfo)
    tag_list: Annotated[list[Tag], BeforeValidator(_read_tags)] = Field(default_factory=list)
    owned_by: Id = ""
    status: Text = ""

    @property
    def kind(self) -> str:
        """`image_refer`, `video_refer`, or "" if unknown. fact: reference-type-null"""
        if self.reference_type in {"image_refer", "video_refer"}:
            return self.reference_type
        if self.element_video_list.refer_videos:
            return "video_refer"
        images = self.element_image_list
        return "image_refer" if images.frontal_image or images.refer_images else ""

    @property
    def is_deleted(self) -> bool:
        """fact: list-shows-deleted"""
        return self.status.lower() == "deleted"

    @property
    def is_official(self) -> bool:
        """fact: presets"""
        return self.owned_by.lower() == "kling"


class TaskInfo(FromKling):
    """The caller's own id of the task."""

    external_task_id: Text = ""


class TaskResult(FromKling):
    """The elements of a finished task."""

    elements: Annotated[list[Element], BeforeValidator(read_objects)] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _accept_flat_result(cls, data: Any) -> Any:
        """fact: flat-result (`task_result.element_id` with no list)"""
        if isinstance(data, dict) and not data.get("elements") and data.get("element_id"):
            return {"elements": [data]}
        return data


class Voice(VoiceInfo):
    """A voice as the lists show it. `status` is "" or `deleted`. fact: voice-record"""

    status: Text = ""

    @property
    def is_deleted(self) -> bool:
        """Whether it was removed; nothing says that voices leave the list."""
        return self.status.lower() == "deleted"


class VoiceResult(FromKling):
    """The voices of a finished task."""

    voices: Annotated[list[Voice], BeforeValidator(read_objects)] = Field(default_factory=list)


class KlingTask(FromKling):
    """Kling's record of a task of any kind. Times are Unix milliseconds, 0 if unknown.

    Each kind of task defines its results in `result_ids`, `result_names` and `is_deleted`.
    """

    task_id: Id = ""
    task_status: Annotated[TaskStatus, BeforeValidator(_read_status)] = "unknown"
    task_status_msg: Text = ""
    task_info: Annotated[TaskInfo, BeforeValidator(read_object)] = Field(default_factory=TaskInfo)
    final_unit_deduction: Text = ""
    created_at: Milliseconds = 0
    updated_at: Milliseconds = 0

    @property
    def external_task_id(self) -> str:
        """The caller's id, or ""."""
        return self.task_info.external_task_id

    @property
    def units_deducted(self) -> str:
        """What Kling says that the task cost, in units as text; "" if it does not say."""
        return self.final_unit_deduction

    @property
    @abstractmethod
    def result_ids(self) -> list[str]:
        """The ids of what the task made; empty while it runs."""

    @property
    @abstractmethod
    def result_names(self) -> list[str]:
        """The names of what the task made, in the same order; empty where results have no names."""

    @property
    @abstractmethod
    def is_deleted(self) -> bool:
        """Whether everything that the task made was deleted."""

    @property
    def is_final(self) -> bool:
        """Whether waiting longer cannot change it. A success still without its result is not final."""
        if self.task_status == "succeed":
            return bool(self.result_ids)
        return self.task_status == "failed"


class VoiceTask(KlingTask):
    """A voice's creation. An official voice may come with empty task fields, or without any task. fact: presets-thin"""

    task_result: Annotated[VoiceResult, BeforeValidator(read_object)] = Field(default_factory=VoiceResult)

    @model_validator(mode="before")
    @classmethod
    def _accept_thin_voice(cls, data: Any) -> Any:
        return _completed(data, "voice_id", "voices")

    @property
    def voices(self) -> list[Voice]:
        """Its voices; those without an id are left out."""
        return [voice for voice in self.task_result.voices if voice.voice_id]

    @property
    def result_ids(self) -> list[str]:
        """The voice ids."""
        return [voice.voice_id for voice in self.voices]

    @property
    def result_names(self) -> list[str]:
        """The names of the voices."""
        return [voice.voice_name for voice in self.voices]

    @property
    def is_deleted(self) -> bool:
        """Whether every voice of it was removed."""
        return all(voice.is_deleted for voice in self.voices)


class ElementTask(KlingTask):
    """A creation, from submission to its element."""

    task_result: Annotated[TaskResult, BeforeValidator(read_object)] = Field(default_factory=TaskResult)

    @model_validator(mode="before")
    @classmethod
    def _accept_thin_element(cls, data: Any) -> Any:
        return _completed(data, "element_id", "elements")

    @property
    def elements(self) -> list[Element]:
        """The elements of a finished task, of which Kling makes one; those without an id are left out."""
        named = (element for element in self.task_result.elements if element.element_id)
        return list(itertools.islice(named, MAX_ELEMENTS))

    @property
    def element_ids(self) -> list[str]:
        """The ids to use in later requests."""
        return [element.element_id for element in self.elements]

    @property
    def result_ids(self) -> list[str]:
        """The element ids."""
        return self.element_ids

    @property
    def result_names(self) -> list[str]:
        """The names of the elements."""
        return [element.element_name for element in self.elements]

    @property
    def is_deleted(self) -> bool:
        """Whether every element of it was deleted. fact: list-shows-deleted"""
        return all(element.is_deleted for element in self.elements)


def _completed(data: Any, id_field: str, results: str) -> Any:
    """A preset may be the element or voice itself, or have a task without a status around it. fact: presets-thin

    A record that shows its result and no status is done, in whichever list it stands.
    """
    if not isinstance(data, dict):
        return data
    if data.get(id_field) and not data.get("task_result"):
        data = {**data, "task_result": {results: [data]}}
    result = data.get("task_result")
    has_result = isinstance(result, dict) and bool(result.get(results) or result.get(id_field))
    return {**data, "task_status": "succeed"} if has_result and not data.get("task_status") else data
