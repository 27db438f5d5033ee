"""Which tools the settings allow, and which variable hides each of the others. Loads no tool and no MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import ConfigurationError
from kling_mcp.server.tool_aliases import current_name
from kling_mcp.server.tools import NAMES, PAID, TOOLSETS, changes_something

if TYPE_CHECKING:
    from kling_mcp.settings import Settings


def hidden_tools(settings: Settings) -> dict[str, str]:
    """Each tool that the settings leave out, with the variable that does."""
    return {name: variable for name in NAMES if (variable := _hidden_by(name, settings))}


def _hidden_by(name: str, settings: Settings) -> str:
    """The variable that leaves this tool out, or ""."""
    if settings.read_only and changes_something(name):
        return "KLING_MCP_READ_ONLY"
    if name in PAID and settings.spending.is_off:
        return settings.spending.off_by
    its_sets = {toolset for toolset, tools in TOOLSETS.items() if name in tools}
    if settings.toolsets and its_sets and not its_sets & {toolset.lower() for toolset in settings.toolsets}:
        return "KLING_MCP_TOOLSETS"
    is_wanted = not settings.tools or name in map(current_name, settings.tools)
    return "" if is_wanted else "KLING_MCP_TOOLS"


def switched_off(name: str, variable: str, where: str = "on this server") -> ConfigurationError:
    """The error of a call of a hidden tool."""
    return ConfigurationError(
        f"The tool {name} is switched off {where} ({variable}).",
        kind="read_only",
        advice=f"The operator can allow it by changing {variable}.",
    )


def unknown_toolsets(settings: Settings) -> list[str]:
    """The names in KLING_MCP_TOOLSETS that no toolset has."""
    return [name for name in settings.toolsets if name.lower() not in TOOLSETS]


def unknown_tools(settings: Settings) -> list[str]:
    """The names in KLING_MCP_TOOLS that no tool has."""
    return [name for name in settings.tools if current_name(name) not in NAMES]
