"""The tools as the SDK knows them: what clients see, without the code behind it.

A tool is loaded on its first call, because most chats start a server, list its tools and never call one.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from pydantic import PrivateAttr

from kling_mcp.server.host_hints import REQUIRES_PERSON
from kling_mcp.server.loading import collector_rests
from kling_mcp.server.tools import NAMES, load, read_wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from mcp.server.mcpserver import Context
    from mcp_types import CallToolResult, InputRequiredResult

    from kling_mcp.server.tool import ToolSpec
    from kling_mcp.settings import Settings


class KlingTool(Tool):
    """The SDK's tool with our own argument parsing and error format.

    Overriding `run` is the only hook used: the SDK drops unknown arguments and reports bad ones in pydantic's words.
    """

    _load: Callable[[], ToolSpec] = PrivateAttr()

    @classmethod
    def of(cls, wire: Mapping[str, Any], load_it: Callable[[], ToolSpec]) -> KlingTool:
        """A tool that `tools/list` shows as `wire`, and that `load_it` loads when it is called."""
        instance = cls(
            fn=load_it,
            name=wire["name"],
            title=wire["title"],
            description=wire["description"],
            parameters=wire["inputSchema"],
            fn_metadata=FuncMetadata(arg_model=ArgModelBase, output_schema=wire["outputSchema"]),
            is_async=True,
            context_kwarg=None,
            annotations=wire["annotations"],
            meta=wire.get("_meta"),
        )
        instance._load = load_it
        return instance

    @property
    def page_uri(self) -> str:
        """The page that MCP Apps clients show with its results, or ""."""
        return str((self.meta or {}).get("ui", {}).get("resourceUri", ""))

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        """Load the tool and run it."""
        return await _runner()(self.name, self._load, arguments, context)


@cache
def _runner() -> Callable[..., Awaitable[CallToolResult | InputRequiredResult]]:
    with collector_rests():
        from kling_mcp.server.run_tool import load_and_run_tool  # noqa: PLC0415 - with it come all the tools
    return load_and_run_tool


def all_tools(settings: Settings) -> list[KlingTool]:
    """Every tool, in the order that clients see, with the configured defaults."""
    return [KlingTool.of(_with_defaults(read_wire(name), settings), partial(load, name)) for name in NAMES]


def _with_defaults(wire: dict[str, Any], settings: Settings) -> dict[str, Any]:
    if wait := wire["inputSchema"]["properties"].get("wait_seconds"):
        wait["default"] = settings.wait_seconds
    if wire["name"] == "generate_video":
        models = wire["inputSchema"]["properties"]["model"]["enum"]
        models += dict.fromkeys(model.name for model in settings.extra_models)
    if settings.confirm_deletions and wire["annotations"]["destructiveHint"]:
        wire["_meta"][REQUIRES_PERSON] = True
    return wire


def load_all_tools() -> None:
    """For a long-running server, so that no first call waits for a tool to load."""
    _runner()
    for name in NAMES:
        load(name)
