"""What `kling-mcp call` says of tools: the list of them, and one with its arguments and an example.

It reads what MCP clients see (`server/tools/wire`) and loads no tool. That list is kept short for models, so what goes
without saying there is said here.
"""

from __future__ import annotations

import textwrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kling_mcp.commands.console import command_line
from kling_mcp.server.tool_aliases import current_name
from kling_mcp.server.tools import NAMES, TOOLSETS, read_wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH = 100
USAGE = "kling-mcp call TOOL [name=value ...] [@file] [-] [--json]"
_HOW = """\
Any tool, on the same code as over MCP: the text by default, one JSON object with --json.

  name=value   an argument as it is, so a prompt may begin with @Mia; a repeated name makes a list
  @file        a JSON object of arguments in a file; name=value counts more
  -            the same on stdin
  --json       print {"ok", "result" or "error", "resume"}; resume is the next command, or ""
  --output-dir DIR  where results are saved, instead of KLING_MCP_OUTPUT_DIR; off saves nothing
  --help       after a tool: its arguments"""
_EXIT = (
    "exit codes: 0 done, 1 refused or failed, 2 wrong use, 3 still running (the answer has the next command), "
    "130 interrupted (repeat the command to go on)"
)
_SANDBOX = (
    "This is the sandbox (KLING_MCP_SANDBOX), a simulated Kling: nothing costs money. All commands share it; it is "
    "kept in {}, and begins anew when that folder is removed. Results are saved if KLING_MCP_OUTPUT_DIR is set."
)
_ALWAYS = "in every toolset"
_TITLES = MappingProxyType({"generate": "videos and images", "production": "production sheets"})
_TYPES = MappingProxyType({"string": "text", "integer": "number", "boolean": "true or false", "array": "list"})
# Of arguments that say nothing over MCP, where each word costs every conversation.
_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "aspect_ratio": "Width to height",
        "count": "How many pictures",
        "cursor": "next_cursor of the previous page, other arguments unchanged",
        "days": "How many days back",
        "has_voice": "Whether a voice is bound to it",
        "kind": "Only these",
        "last_frame": "Picture that the clip ends with",
        "limit": "How many rows at most",
        "max_units": "What was agreed to pay at most; 0: ask at a terminal, or say the price and stop",
        "model": "Kling's model",
        "page_num": "Which page",
        "page_size": "Rows of a page",
        "part": "Only this part of the sheet",
        "path": "The sheet: .yaml, .json or .toml",
        "plan_id": "From plan_production",
        "resolution": "Size of the result",
        "save_as": "Name or folder in the output folder",
        "source": "Your own, or official ones",
        "status": "Only these",
        "wait_seconds": "How long to wait; what is not ready then goes on at Kling",
    }
)
# Of tools whose first sentence does not fit into a line.
_IN_A_LINE: Mapping[str, str] = MappingProxyType(
    {
        "create_element_and_wait": "Create an element from 2 to 4 pictures or a clip, and wait for its id",
        "create_element": "The same without waiting, to create several",
        "use_elements": "Ids, prompt handles and JSON for a request of your own to Kling",
        "find_voices": "Find a voice for an element, by name or id",
        "find_generations": "Find generated videos and images, newest first",
        "plan_production": "What a production sheet still needs and costs",
        "apply_production": "Make what plan_production planned, for one agreed price",
        "check_balance": "Units left, and what was spent",
        "wait_for_tasks": "Wait for tasks of any kind, and save finished videos and images",
    }
)
# Lists whose entries keep their commas.
SENTENCES = frozenset({"shots"})
# A tool that is described by another one's arguments over MCP.
_DESCRIBED_BY = MappingProxyType({"create_element": "create_element_and_wait"})
_LOOKS = ("element_name=Mia", "element_description=Barista with red hair and a green apron")
_PICTURES = ("reference_type=image_refer", "frontal_image=front.jpg", "refer_images=side.jpg", "refer_images=back.jpg")
EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "create_element_and_wait": (*_LOOKS, *_PICTURES, "tags=Character"),
        "create_element": (*_LOOKS, *_PICTURES),
        "wait_for_tasks": ("ids=870061803398874891", "wait_seconds=300"),
        "find_elements": ("query=barista", "tags=Character"),
        "get_element": ("id=Mia",),
        "list_elements": ("page_size=100",),
        "list_preset_elements": ("page_num=2",),
        "use_elements": ("elements=Mia", "elements=Sara", "target=omni-video/kling-v3-omni"),
        "generate_video": ("prompt=@Mia pours coffee for @Sara", "duration=5", "max_units=4"),
        "generate_image": ("prompt=@Mia and @Sara at the counter", "aspect_ratio=16:9", "dry_run=true"),
        "find_generations": ("query=coffee", "kind=video"),
        "plan_production": ("path=episode.yaml",),
        "apply_production": ("plan_id=plan-1", "max_units=20"),
        "find_voices": ("query=calm",),
        "create_voice": ("voice_name=Mia", "voice_url=https://example.com/mia.mp3", "max_units=1"),
        "delete_voice": ("voice_id=830006180339887498", "voice_name=Mia"),
        "delete_element": ("element_id=820000618033988749", "element_name=Mia"),
        "check_balance": ("days=7",),
        "check_setup": (),
    }
)


def list_tools(hidden: Mapping[str, str], sandbox: str = "") -> str:
    """All tools, a line each, by toolset; those that a setting hides are named with it.

    Args:
        sandbox: where the sandbox is kept, if this is one.
    """
    lines = [f"usage: {USAGE}", "", _HOW, ""]
    in_a_set = frozenset[str]().union(*TOOLSETS.values())
    groups = [*TOOLSETS.items(), (_ALWAYS, frozenset(NAMES) - in_a_set)]
    width = max(map(len, NAMES)) + 2
    for title, its_tools in groups:
        names = [name for name in NAMES if name in its_tools and name not in hidden]
        rows = [f"  {name:{width}}{_in_a_line(name)}" for name in names]
        lines += [f"{_TITLES.get(title, title)}:", *rows] if rows else []
    off = [f"Switched off here: {name} ({variable})." for name, variable in hidden.items()]
    about = _wrapped(_SANDBOX.format(sandbox)) if sandbox else []
    return "\n".join([*lines, "", *off, *_wrapped(_EXIT), *about])


def describe_tool(name: str, wait_seconds: int) -> str:
    """A tool, each of its arguments, and an example; `wait_seconds` is the default of the settings."""
    schema = read_wire(name)["inputSchema"]
    required: list[str] = schema.get("required", [])
    arguments: dict[str, Any] = schema.get("properties", {})
    in_order = [*required, *(argument for argument in arguments if argument not in required)]
    lines = [f"usage: kling-mcp call {_usage(name, required)}", "", *_wrapped(_description(name)), ""]
    for argument in in_order:
        schema = arguments[argument] | ({"default": wait_seconds} if argument == "wait_seconds" else {})
        lines += _argument(name, argument, schema, required)
    lines += ["", "example:", f"  {command_line(['kling-mcp', 'call', name, *EXAMPLES[name]])}", "", *_wrapped(_EXIT)]
    return "\n".join(lines)


def meaning_of(tool: str, argument: str) -> str:
    """What an argument is for."""
    own = _said(tool, argument) or _said(_DESCRIBED_BY.get(tool, tool), argument)
    return own or _MEANINGS.get(argument, "")


def example_arguments(tool: str) -> Sequence[str]:
    """The words of a tool's example."""
    return EXAMPLES[current_name(tool)]


def _said(tool: str, argument: str) -> str:
    return str(read_wire(tool)["inputSchema"]["properties"][argument].get("description", ""))


def _usage(name: str, required: Sequence[str]) -> str:
    return " ".join([name, *(f"{argument}=..." for argument in required), "[name=value ...] [--json]"])


def _argument(tool: str, name: str, schema: Mapping[str, Any], required: Sequence[str]) -> list[str]:
    """One argument in two lines: its name and form, and what it is for."""
    form = [_TYPES[schema["type"]]]
    if choices := schema.get("enum"):
        form = [f"one of {', '.join(choices)}"]
    if schema["type"] == "array":
        form += ["repeat it" if name in SENTENCES else "repeat it, or separate values with commas"]
    if "maximum" in schema:
        form += [f"at most {schema['maximum']}"]
    if name in required:
        form += ["required"]
    elif "default" in schema:
        form += [f"default {schema['default']}"]
    head = textwrap.wrap("; ".join(form), WIDTH - 24, break_on_hyphens=False)
    told = textwrap.wrap(meaning_of(tool, name), WIDTH - 24, break_on_hyphens=False)
    first, *rest = [*head, *told]
    return [f"  {name:20}  {first}", *(f"{'':24}{line}" for line in rest)]


def _description(name: str) -> str:
    return str(read_wire(name)["description"])


def _in_a_line(name: str) -> str:
    return _IN_A_LINE.get(name) or _description(name).partition(". ")[0].rstrip(".")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
