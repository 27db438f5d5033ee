"""Who does the requests, as the options of the runner say: a model or an agent, with one version or two."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from virtual_time import VirtualLoop

from evaluation.agent import Agent, drive
from evaluation.conversation import Bounds, converse
from evaluation.endpoints import Anthropic, Endpoint, EndpointError, OpenAI
from evaluation.tool_texts import read_texts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from evaluation.conversation import Conversation
    from evaluation.sheets import Request
    from evaluation.tool_texts import ToolTexts

    Perform = Callable[[Request, Path], Conversation]

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def performers(options: argparse.Namespace) -> list[tuple[str, Perform]]:
    """Who does each request: one, or two versions named A and B.

    Raises:
        EndpointError, UnreadableTextsError: an option is missing or leads nowhere.
    """
    if options.agent_command:
        return _agents(options)
    endpoint = _endpoint(options)
    if not options.compare:
        return [("", partial(_ask_model, endpoint, options, None))]
    texts = [read_texts(place) for place in options.compare]
    return [(name, partial(_ask_model, endpoint, options, each)) for name, each in zip("AB", texts, strict=True)]


def describe(options: argparse.Namespace) -> str:
    """Who did the requests, for the head of the table."""
    if options.agent_command:
        return f"the agent `{options.agent_command}`"
    return f"{options.model} ({options.api}, results as {options.see})"


# ---- a model


def _endpoint(options: argparse.Namespace) -> Endpoint:
    if not options.base_url or not options.model:
        raise EndpointError("--base-url and --model are needed, or --agent-command", is_fatal=True)
    key = os.environ.get(options.key_env, "").strip() if options.key_env else ""
    if options.key_env and not key:
        raise EndpointError(f"the environment variable {options.key_env} is not set", is_fatal=True)
    if options.api == "openai":
        return Endpoint(options.base_url, OpenAI(options.limit_field), options.model, key)
    return Endpoint(options.base_url.rstrip("/").removesuffix("/v1"), Anthropic(), options.model, key)


def _ask_model(
    endpoint: Endpoint, options: argparse.Namespace, texts: ToolTexts | None, request: Request, folder: Path
) -> Conversation:
    bounds = Bounds(options.max_turns, options.max_seconds, options.max_tokens, options.max_answer_tokens)
    talk = partial(
        converse,
        request,
        endpoint,
        folder,
        bounds,
        era=options.era,
        shows_structured=options.see == "structured",
        texts=texts,
    )
    return anyio.run(talk, backend_options={"loop_factory": VirtualLoop})


# ---- an agent


def _agents(options: argparse.Namespace) -> list[tuple[str, Perform]]:
    if os.name != "posix":
        raise EndpointError("--agent-command needs a POSIX shell", is_fatal=True)
    count = _counting(real=options.count_tokens)
    if not options.compare:
        return [("", partial(_drive, Agent(options.agent_command, count), options))]
    codes = [Path(place).resolve() for place in options.compare]
    if missing := [str(code) for code in codes if not (code / "kling_mcp").is_dir()]:
        raise EndpointError(f"{', '.join(missing)} is no checkout of kling-mcp: an agent runs its code", is_fatal=True)
    agents = [Agent(options.agent_command, count, code) for code in codes]
    return [(name, partial(_drive, agent, options)) for name, agent in zip("AB", agents, strict=True)]


def _drive(agent: Agent, options: argparse.Namespace, request: Request, folder: Path) -> Conversation:
    return drive(request, agent, folder, seconds=options.max_seconds)


def _counting(*, real: bool) -> Callable[[Sequence[str]], list[int]]:
    """The benchmarks' way to count tokens; theirs installs a tokenizer, so it is used only where that is asked for."""
    if str(_BENCHMARKS) not in sys.path:
        sys.path.append(str(_BENCHMARKS))
    tokenizer = import_module("measuring.tokens").Tokenizer
    count: Callable[[Sequence[str]], list[int]] = tokenizer.best(quick=not real).count
    return count
