"""What users of kling-mcp rely on, read from the code as it is now, as one JSON document.

    python tools/wire_now.py

Only reads; `wire_rules.py` compares such documents and says what a change means for users.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import anyio
from mcp import Client

import kling_mcp
from kling_mcp.caller_credentials import CALLER_HEADERS
from kling_mcp.cli import _build_parser
from kling_mcp.errors import Created, Kind, Retry
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings

# At the end: that folder holds names of libraries.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from readings import plain_variables, secret_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

Document = dict[str, Any]
ERAS = ("legacy", "auto")
FAILURES = {"kind": Kind, "created": Created, "retry": Retry}


def read_wire() -> Document:
    """Everything: what the server tells in each protocol era, the command line, the environment, the library.

    Lists whose order means nothing are mappings, and whatever people fill in or read is written as JSON Schema, so
    that one set of rules compares all of it.
    """
    secret = secret_variables()
    return {
        "version": kling_mcp.__version__,
        **anyio.run(_ask_the_server),
        "commands": _commands(),
        "variables": _schema({name: {"type": "secret" if name in secret else "text"} for name in plain_variables()}),
        "headers": _schema({name: {} for name in CALLER_HEADERS}),
        "failures": _schema({name: {"enum": sorted(get_args(values))} for name, values in FAILURES.items()}),
        "library": _schema({name: {} for name in kling_mcp.__all__}),
    }


async def _ask_the_server() -> Document:
    """What a client is told; lists are the same in every era, which tests/server holds."""
    told: Document = {"handshake": {}}
    for era in ERAS:
        settings = Settings(sandbox=True)
        async with Client(build_server(settings, Runtime(settings)), mode=era) as client:
            about = _plain(client.server_info) if client.server_info else {}
            told["handshake"][client.protocol_version] = {
                **{name: text for name, text in about.items() if name != "version"},
                "instructions": client.instructions,
                "capabilities": _plain(client.server_capabilities),
            }
            if era == ERAS[0]:
                told |= {
                    "tools": _by("name", (await client.list_tools()).tools),
                    "prompts": _by("name", (await client.list_prompts()).prompts),
                    "resources": _by("uri", (await client.list_resources()).resources),
                    "templates": _by("uriTemplate", (await client.list_resource_templates()).resource_templates),
                }
    for prompt in told["prompts"].values():
        arguments = {one.pop("name"): one for one in prompt.get("arguments", [])}
        required = [name for name, one in arguments.items() if one.pop("required", False)]
        prompt["arguments"] = _schema(arguments, required)
    return told


def _plain(model: BaseModel) -> Document:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _by(key: str, models: Iterable[BaseModel]) -> Document:
    plain = [_plain(model) for model in models]
    return {one.pop(key): one for one in plain}


def _schema(properties: Document, required: Sequence[str] = ()) -> Document:
    return {"type": "object", "properties": dict(sorted(properties.items())), "required": sorted(required)}


def _commands() -> Document:
    """Each command with its options; "kling-mcp" is the command line without a command."""
    parser = _build_parser()
    subparsers = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 - argparse shows it nowhere else
    named = {f"kling-mcp {name}": one for action in subparsers for name, one in action.choices.items()}
    return {name: _options(one) for name, one in {"kling-mcp": parser, **named}.items()}


def _options(parser: argparse.ArgumentParser) -> Document:
    """What can be said to one command."""
    options: Document = {}
    required: list[str] = []
    for action in parser._actions:  # noqa: SLF001 - as above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            continue
        for spelling in action.option_strings or [action.dest]:
            options[spelling] = _option(action)
            required += [spelling] * action.required
    return _schema(options, required)


def _option(action: argparse.Action) -> Document:
    if action.nargs == 0:
        return {"type": "flag"}
    is_repeatable = isinstance(action, argparse._AppendAction)  # noqa: SLF001 - as above
    option: Document = {"type": "values" if is_repeatable else "value"}
    if action.choices is not None:
        option["enum"] = [str(choice) for choice in action.choices]
    if action.default not in (None, [], argparse.SUPPRESS):
        option["default"] = action.default
    return option


if __name__ == "__main__":
    sys.stdout.write(json.dumps(read_wire(), indent=2, ensure_ascii=False) + "\n")
