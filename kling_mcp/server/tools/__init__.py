"""The tools, one file each, and in `wire/` what clients see of each one.

Listing the tools reads `wire/` and loads no tool. `tools/write_wire.py` writes those files from the tools, and a test
compares them. Models read them, so review every change there as product text.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kling_mcp.server.loading import collector_rests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.server.tool import ToolSpec

WIRE = Path(__file__).with_name("wire")

# The order in which clients see them.
NAMES = (
    "create_element_and_wait",
    "create_element",
    "wait_for_tasks",
    "find_elements",
    "get_element",
    "list_elements",
    "list_preset_elements",
    "use_elements",
    "generate_video",
    "generate_image",
    "find_generations",
    "plan_production",
    "apply_production",
    "find_voices",
    "create_voice",
    "delete_voice",
    "delete_element",
    "check_balance",
    "check_setup",
)


# KLING_MCP_TOOLSETS; a tool of no toolset belongs to all.
TOOLSETS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "elements": frozenset(
            {
                "create_element_and_wait",
                "create_element",
                "find_elements",
                "get_element",
                "list_elements",
                "list_preset_elements",
                "use_elements",
                "delete_element",
            }
        ),
        "voices": frozenset({"find_voices", "create_voice", "delete_voice"}),
        "generate": frozenset({"generate_video", "generate_image", "find_generations"}),
        "production": frozenset({"plan_production", "apply_production"}),
        "account": frozenset({"check_balance"}),
    }
)
# Each is one request to Kling, reads, and reports no progress.
SHORT = frozenset({"list_elements", "list_preset_elements"})
PAID = frozenset({"generate_video", "generate_image", "create_voice", "apply_production"})


@cache
def load(name: str) -> ToolSpec:
    """The tool itself, with its handler; `name` is one of NAMES."""
    with collector_rests():
        spec: ToolSpec = getattr(import_module(f"{__name__}.{name}"), name)
    return spec


def changes_something(name: str) -> bool:
    """Whether read-only mode leaves this tool out; `name` is one of NAMES."""
    return not read_wire(name)["annotations"]["readOnlyHint"]


def may_create(name: str) -> bool:
    """Whether a call of this tool may create something; False for a name that is no tool."""
    return name in NAMES and _may_create(name)


@cache
def _may_create(name: str) -> bool:
    """Of a tool; every call asks."""
    hints = read_wire(name)["annotations"]
    return not hints["readOnlyHint"] and not hints["destructiveHint"]


def read_wire(name: str) -> dict[str, Any]:
    """The tool as `tools/list` shows it, with the defaults of the code."""
    wire: dict[str, Any] = json.loads((WIRE / f"{name}.json").read_text(encoding="utf-8"))
    return wire
