"""One call of every tool that succeeds, and the world in which it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers import API_KEY

from kling_mcp.simulator import World

# Tools that need nothing but these arguments. Words in braces are filled in by `arguments_for`.
CALLS: dict[str, dict[str, Any]] = {
    "get_element": {"id": "{task_id}"},
    "list_elements": {"page_size": 10},
    "list_preset_elements": {"page_size": 2},
    "wait_for_tasks": {"ids": ["{task_id}"], "wait_seconds": 0},
    "delete_element": {"element_id": "{element_id}", "element_name": "Zoë “the fox” 東京"},
    "check_setup": {},
    "use_elements": {"elements": ["{element_id}"], "target": "omni-video/kling-v3-omni"},
    "generate_video": {"prompt": "A walk", "elements": ["{element_id}"], "dry_run": True},
    "generate_image": {"prompt": "A portrait", "elements": ["{element_id}"], "dry_run": True},
    "find_generations": {"query": "walk"},
    "apply_production": {"plan_id": "{plan_id}", "max_units": "9"},
    "find_elements": {"query": "zoe"},
    "find_voices": {},
    "create_voice": {"voice_name": "Narrator", "voice_url": "https://example.com/narrator.mp3", "max_units": 1},
    "delete_voice": {"voice_id": "{voice_id}", "voice_name": "Warm voice"},
    "check_balance": {},
}


def furnish(world: World) -> dict[str, str]:
    """An account with a ready, a running, a failed and a deleted element; the ids of the ready one."""
    kling = world.account_of(API_KEY)
    voice = world.add_voice(kling, "Warm voice")
    ready = world.add_element(
        kling,
        "Zoë “the fox” 東京",
        description="Fox; red coat, says: hello",
        tags=("o_102", "o_103"),
        voice_id=voice.voice_id,
        external_task_id="someone-elses-7",
    )
    world.add_element(kling, "Gone", status="deleted")
    world.add_element(kling, "Refused", status="failed")
    world.add_element(kling, "Coming", status="pending")
    return {"task_id": ready.task_id, "element_id": ready.element_id, "voice_id": voice.voice_id}


def sheet_beside(picture: Path, ids: dict[str, str]) -> str:
    """A sheet with something in every list of a plan: its path."""
    made = {"description": "Barista", "front": picture.name, "others": [picture.name]}
    cast = {"Mia": made, "Fox": {"element_id": ids["element_id"]}, "Ghost": {"element_id": "329999999999999"}}
    shots = {"walk": {"prompt": "A walk"}, "dance": {"prompt": "@Mia dances", "takes": 2}}
    sheet = picture.with_name("episode.json")
    sheet.write_text(json.dumps({"version": 1, "cast": cast, "shots": shots}), "utf-8")
    return str(sheet)


def arguments_for(tool: str, ids: dict[str, str], creation: dict[str, Any]) -> dict[str, Any]:
    """The arguments with which this tool succeeds."""
    if tool.startswith("create_element"):
        return creation
    if tool == "plan_production":
        return {"path": sheet_beside(Path(creation["frontal_image"]), ids), "require": ["Nemo"]}

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(item) for item in value]
        return value.format(**ids) if isinstance(value, str) else value

    return {name: filled(value) for name, value in CALLS[tool].items()}
