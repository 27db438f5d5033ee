"""The floor: the SDK as its documentation shows it, with one tool that takes and answers what our `get_element` does.

Imports nothing of kling_mcp.
"""

from __future__ import annotations

from typing import Annotated, Literal

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field


class Row(BaseModel):
    """One element."""

    element_id: str
    element_name: str
    element_description: str
    reference_type: str
    tags: list[str]
    voice_id: str
    voice_name: str
    owned_by: str
    status: Literal["ready", "pending", "failed", "deleted"]
    task_id: str
    created_at: str


class FoundTask(BaseModel):
    """A task that was looked up."""

    task_id: str
    external_task_id: str
    task_status: Literal["submitted", "processing", "succeed", "failed", "unknown"]
    task_status_msg: str
    outcome: str
    element_ids: list[str]
    elements: list[Row]
    waited_seconds: float
    units_deducted: str
    created_at: str
    updated_at: str
    warnings: list[str]
    next_step: str
    matched_by: str


server = MCPServer("bare", version="1")


@server.tool(
    title="Get one element",
    annotations=ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=True),
)
async def get_element(
    id: Annotated[str, Field(description="Task id, external task id, element id or exact element name")],  # noqa: A002 - as ours
) -> FoundTask:
    """Look up one element by any id or its exact name, with the state of its task. Does not wait."""
    raise NotImplementedError(id)


def main() -> None:
    """Serve over stdin and stdout."""
    server.run("stdio")
