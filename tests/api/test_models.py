"""What Kling says, read from samples: every form that a field was seen in, and some that nobody promised away.

Each file in tests/samples holds one record, what is to be read from it, and where the form comes from.

fact: record-fields
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_mcp.api.ids import MAX_SAFE_INTEGER
from kling_mcp.api.models import MAX_ELEMENTS, Element, ElementTask, Voice, VoiceTask
from kling_mcp.library.from_kling import tag_name

SAMPLES = Path(__file__).parents[1] / "samples"


def what_is_read(task: ElementTask) -> dict[str, Any]:
    """The facts of a task that samples name."""
    return {
        "task_id": task.task_id,
        "external_task_id": task.external_task_id,
        "task_status": task.task_status,
        "task_status_msg": task.task_status_msg,
        "element_ids": task.element_ids,
        "is_final": task.is_final,
        "final_unit_deduction": task.final_unit_deduction,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "names": [element.element_name for element in task.elements],
        "kinds": [element.kind for element in task.elements],
        "tags": [[name for name in map(tag_name, element.tag_list) if name] for element in task.elements],
        "voices": [[e.element_voice_info.voice_id, e.element_voice_info.voice_name] for e in task.elements],
        "deleted": [element.is_deleted for element in task.elements],
        "official": [element.is_official for element in task.elements],
    }


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_sample_is_read_as_it_says(path: Path) -> None:
    sample = json.loads(path.read_text(encoding="utf-8"))
    read = what_is_read(ElementTask.model_validate(sample["data"]))
    assert {name: read[name] for name in sample["reads"]} == sample["reads"]
    assert sample["source"]


class TestIds:
    """fact: id-as-string"""

    @given(st.integers(0, 10**19))
    def test_a_number_keeps_all_its_digits(self, number: int) -> None:
        """Through JSON, as it arrives."""
        record = json.loads(f'{{"element_id": {number}, "owned_by": "{number}"}}')
        element = Element.model_validate(record)
        assert (element.element_id, element.owned_by) == (str(number), str(number))

    @pytest.mark.parametrize("value", [1e17, 8.29836802793406551e17, float("inf"), float("nan"), 1.5])
    def test_a_float_that_lost_digits_is_no_id(self, value: float) -> None:
        """A wrong id is worse than none."""
        assert Element(element_id=value).element_id == ""  # type: ignore[arg-type] # what JSON may hold

    def test_float_with_all_its_digits_is_an_id(self) -> None:
        assert Element(element_id=float(MAX_SAFE_INTEGER)).element_id == str(MAX_SAFE_INTEGER)  # type: ignore[arg-type] # what Kling sends

    @pytest.mark.parametrize("value", [None, True, [], {}, ""])
    def test_value_that_is_no_id_becomes_an_empty_id(self, value: Any) -> None:
        assert Element(element_id=value).element_id == ""


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("submitted", "submitted"),
        ("Processing", "processing"),
        (" SUCCEED ", "succeed"),
        ("succeeded", "succeed"),
        ("failed", "failed"),
        ("queued", "unknown"),
        ("", "unknown"),
    ],
)
def test_known_status_words_are_mapped(word: str, status: str) -> None:
    """facts: terminal-succeed, status-unknown"""
    assert ElementTask.model_validate({"task_status": word}).task_status == status


def test_a_number_where_text_is_promised_becomes_its_digits() -> None:
    """Voice ids were a long before 2026-03-11; deductions may be numbers."""
    task = ElementTask.model_validate({"final_unit_deduction": 2.0, "task_status_msg": False})
    assert (task.final_unit_deduction, task.task_status_msg) == ("2", "")


VOICE = {"voice_id": 829836802793406553, "voice_name": "Warm", "owned_by": "kling"}


class TestVoices:
    """fact: voice-record"""

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            ({"task_id": "1", "task_status": "succeed", "task_result": {"voices": [VOICE]}}, "succeed"),
            ({"task_id": "", "task_status": "", "task_info": {}, "task_result": {"voices": [VOICE]}}, "succeed"),
            (VOICE, "succeed"),  # an official one, without a task around it (presets-thin)
        ],
    )
    def test_every_form_of_a_voice_list_is_read(self, data: dict[str, Any], status: str) -> None:
        task = VoiceTask.model_validate(data)
        (voice,) = task.voices
        assert (voice.voice_id, voice.voice_name, voice.is_deleted) == ("829836802793406553", "Warm", False)
        assert task.task_status == status

    def test_deleted_voice_is_marked_as_deleted(self) -> None:
        assert Voice.model_validate({**VOICE, "status": "Deleted"}).is_deleted

    def test_voice_without_an_id_is_left_out(self) -> None:
        assert VoiceTask.model_validate({"task_result": {"voices": [{"voice_name": "Warm"}]}}).voices == []


@pytest.mark.parametrize("never", [10**400, -(10**400), 1e308, float("inf"), float("nan"), 2**53, "9" * 400])
def test_a_time_that_no_calendar_reaches_is_none(never: float | str) -> None:
    assert ElementTask.model_validate({"created_at": never}).created_at == 0


def test_a_task_that_names_hundreds_of_elements_shows_some() -> None:
    elements = [{"element_id": number} for number in range(1, 700)]
    task = ElementTask.model_validate({"task_status": "succeed", "task_result": {"elements": elements}})
    assert task.element_ids == [str(number) for number in range(1, MAX_ELEMENTS + 1)]
