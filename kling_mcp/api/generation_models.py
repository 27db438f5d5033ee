"""Kling's records of videos and pictures, in both standards, read tolerantly.

facts: gen30-reply, tasks-outputs, tasks-field-names, old-query, old-images, terminal-succeed
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from kling_mcp.api.models import FromKling, Id, KlingTask, Text, read_object, read_objects

MAX_RESULTS = 16  # Kling makes nine pictures at most; more is a broken reply


class GenerationResult(FromKling):
    """One video or picture. `id` is "" for pictures; `duration` is seconds as text, "" for pictures."""

    id: Id = ""
    url: Text = ""
    duration: Text = ""


class Billing(FromKling):
    """What a task cost in the 3.0 standard; `amount` is units where `charge_type` is `unit`, otherwise money."""

    charge_type: Text = ""
    amount: Text = ""
    package_type: Text = ""


class GenerationOutput(FromKling):
    """The results of a finished task."""

    videos: Annotated[list[GenerationResult], BeforeValidator(read_objects)] = Field(default_factory=list)
    images: Annotated[list[GenerationResult], BeforeValidator(read_objects)] = Field(default_factory=list)


class GenerationTask(KlingTask):
    """A video's or picture's task, from submission to its results."""

    task_result: Annotated[GenerationOutput, BeforeValidator(read_object)] = Field(default_factory=GenerationOutput)
    billing: Annotated[list[Billing], BeforeValidator(read_objects)] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _accept_new_standard(cls, data: Any) -> Any:
        """A record of the 3.0 standard under the names of the older one. fact: gen30-reply"""
        if not isinstance(data, dict) or "task_id" in data or "id" not in data:
            return data
        outputs = read_objects(data.get("outputs", data.get("references")))
        by_type: dict[str, list[Any]] = {"video": [], "image": []}
        for output in outputs:
            kind = output.get("type")
            if isinstance(kind, str) and kind in by_type:
                by_type[kind].append(output)
        return {
            **data,
            "task_id": data["id"],
            "task_status": data.get("status"),
            "task_status_msg": data.get("message"),
            "task_info": {"external_task_id": data.get("external_id")},
            "task_result": {"videos": by_type["video"], "images": by_type["image"]},
            "created_at": data.get("create_time"),
            "updated_at": data.get("update_time"),
        }

    @property
    def results(self) -> list[GenerationResult]:
        """Its videos or pictures in Kling's order; those without a link are left out."""
        linked = (result for result in (*self.task_result.videos, *self.task_result.images) if result.url)
        return list(itertools.islice(linked, MAX_RESULTS))

    @property
    def product(self) -> Literal["video", "image", ""]:
        """What its results are; "" while it has none."""
        if self.task_result.videos:
            return "video"
        return "image" if self.task_result.images else ""

    @property
    def units_deducted(self) -> str:
        """Kling's figure for the whole task, or "". facts: tasks-outputs, units-may-be-numbers"""
        if self.final_unit_deduction:
            return self.final_unit_deduction
        units = [bill.amount for bill in self.billing if bill.charge_type == "unit" and bill.amount]
        return units[0] if len(units) == 1 else ""

    @property
    def result_ids(self) -> list[str]:
        """The video ids; pictures have none, so their places count from 1."""
        return [result.id or str(place) for place, result in enumerate(self.results, start=1)]

    @property
    def result_names(self) -> list[str]:
        """Results have no names."""
        return []

    @property
    def is_deleted(self) -> bool:
        """Kling deletes none; links end (fact: gen-links)."""
        return False
