"""Which tools the settings allow, and which variable hides each of the others. Loads no tool and no MCP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.choices import nearest_tool
from kling_mcp.errors import ConfigurationError, InputError, Problem
from kling_mcp.sanitize import quote
from kling_mcp.server.tool_aliases import current_name
from kling_mcp.server.tools import NAMES, PAID, TOOLSETS, changes_something
from kling_mcp.settings.faults import fault

if TYPE_CHECKING:
    from collections.abc import Collection

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
    wanted = {current_name(wanted) for wanted in settings.tools}
    # Where no name is right, nothing is offered but the tool that says so.
    is_wanted = not wanted or name in (wanted & set(NAMES) or {"check_setup"})
    return "" if is_wanted else "KLING_MCP_TOOLS"


def switched_off(name: str, variable: str, where: str = "on this server") -> ConfigurationError:
    """The error of a call of a hidden tool."""
    return ConfigurationError(
        f"The tool {name} is switched off {where} ({variable}).",
        kind="read_only",
        advice=f"The operator can allow it by changing {variable}.",
    )


def no_such_tool(name: str, hidden: Collection[str], *, argument: str, advice: str) -> InputError:
    """The error of a call of a tool that does not exist; a hidden one is not suggested."""
    meant = nearest_tool(name, [*NAMES])
    fix = f"did you mean {meant}?" if meant and meant not in hidden else "choose one of the list"
    problem = Problem(argument, "must be a tool", quote(name, 60) if name else "nothing", fix)
    return InputError([problem], advice=advice)


def wrong_names(settings: Settings) -> list[str]:
    """What is wrong with KLING_MCP_TOOLS and KLING_MCP_TOOLSETS, in sentences: names that nothing has."""
    tools = [name for name in settings.tools if current_name(name) not in NAMES]
    toolsets = [name for name in settings.toolsets if name.lower() not in TOOLSETS]
    told = []
    if tools:
        told.append(
            f"KLING_MCP_TOOLS names {', '.join(tools)[:200]}, which is not a tool; "
            f"the tools are {', '.join(sorted(NAMES))}."
        )
    if toolsets:
        told.append(
            f"KLING_MCP_TOOLSETS names {', '.join(toolsets)[:200]}, which is not a toolset; "
            f"the toolsets are {', '.join(TOOLSETS)}."
        )
    return told


def tolerating_wrong_names(settings: Settings) -> Settings:
    """The settings, with a fault for each variable that names what does not exist: the other names count."""
    found = tuple(fault("nothing", sentence) for sentence in wrong_names(settings))
    return replace(settings, faults=(*settings.faults, *found)) if found else settings
