"""`kling-mcp call TOOL`: any tool from a shell or CI, on the same code as over MCP.

It goes straight to the one boundary of all tools (`server/run_tool.py`) and not through a client and a server in this
process: the arguments, consent, errors, audit log and never-twice rules are those of a chat, and nothing is lost on the
way. What MCP does around that boundary (older names, hidden tools) is done here with the same functions.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from kling_mcp.commands.call_help import describe_tool, list_tools
from kling_mcp.commands.call_words import call_line, read_arguments, same_call, wait_call
from kling_mcp.commands.console import (
    DONE,
    FAILED,
    RUNNING,
    WRONG_USE,
    StateNotes,
    envelope,
    interrupted,
    tell_error,
)
from kling_mcp.commands.steps import as_commands, result_as_commands
from kling_mcp.errors import InputError, KlingError
from kling_mcp.server.tool_aliases import current_name
from kling_mcp.server.tool_selection import hidden_tools, no_such_tool, switched_off, tolerating_wrong_names
from kling_mcp.server.tools import NAMES, changes_something, load, may_create

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kling_mcp.commands.call_words import CallWords
    from kling_mcp.commands.console import Terminal
    from kling_mcp.server.run_tool import Outcome
    from kling_mcp.server.tool import Answer
    from kling_mcp.settings import Settings

logger = logging.getLogger(__name__)

_WORDS_ADVICE = "Nothing was sent. {} shows the form."


def run_call(words: CallWords, settings: Settings, terminal: Terminal) -> int:
    """Run one call; its exit code.

    Raises:
        KeyboardInterrupt: after a note that says how to go on.
    """
    name = current_name(words.tool)
    said, settings = len(settings.faults), tolerating_wrong_names(settings)
    for fault in settings.faults[said:]:
        logger.warning("%s", fault.sentence)
    hidden = hidden_tools(settings)
    try:
        if not words.tool and (words.wants_help or not (words.strange or words.wants_json)):
            terminal.say(list_tools(hidden, str(settings.sandbox_folder() or "memory") if settings.sandbox else ""))
            return DONE if words.wants_help else WRONG_USE
        _require_tool(words, hidden)
        if words.wants_help:
            terminal.say(describe_tool(name, settings.wait_seconds))
            return DONE
        arguments = _read(words)
    except KlingError as error:
        return tell_error(error, terminal, wants_json=words.wants_json, may_create=may_create(name))
    return _Call(words, name, arguments, terminal).run(settings)


def _require_tool(words: CallWords, hidden: Mapping[str, str]) -> None:
    """Raises InputError for a tool that does not exist, ConfigurationError for one that is switched off."""
    name = current_name(words.tool)
    if name in hidden:
        raise switched_off(name, hidden[name], "by the settings of this shell")
    if name in NAMES:
        return
    advice = _WORDS_ADVICE.format("kling-mcp call --help lists the tools and")
    raise no_such_tool(words.tool, hidden, argument="TOOL", advice=advice)


def _read(words: CallWords) -> dict[str, Any]:
    try:
        return read_arguments(words, _read_stdin)
    except InputError as error:
        advice = _WORDS_ADVICE.format(f"kling-mcp call {words.tool} --help")
        raise InputError(error.problems, advice=advice) from None


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise ValueError("it is closed")
    return sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()


class _Call:
    """One call, with words that could be read."""

    def __init__(self, words: CallWords, name: str, arguments: dict[str, Any], terminal: Terminal) -> None:
        self._words = words
        self._name = name
        self._arguments = arguments
        self._terminal = terminal

    def run(self, settings: Settings) -> int:
        import anyio  # noqa: PLC0415 - help does without

        try:
            outcome = anyio.run(self._perform, settings)
        except KlingError as error:  # the runtime cannot be made
            return self._tell(error)
        except KeyboardInterrupt:
            self._terminal.note(interrupted(self._again(), changes=changes_something(self._name)))
            raise
        return self._tell(outcome)

    async def _perform(self, settings: Settings) -> Outcome:
        """The outcome. What is still being sent is sent to its end: it would begin again with the next command."""
        from kling_mcp.runtime import Runtime  # noqa: PLC0415 - help does without
        from kling_mcp.server.run_tool import load_and_perform  # noqa: PLC0415 - help does without
        from kling_mcp.server.shell_caller import ShellCaller  # noqa: PLC0415 - help does without
        from kling_mcp.server.tool import Answer  # noqa: PLC0415 - help does without

        runtime = Runtime(settings, keeps_sandbox=True)
        caller = ShellCaller(runtime, StateNotes(self._terminal.note), self._terminal.ask)
        try:
            while True:
                outcome = await load_and_perform(self._name, partial(load, self._name), self._arguments, caller)
                is_sending = isinstance(outcome, Answer) and outcome.ending.is_sending
                if not (is_sending and runtime.in_flight.is_busy):
                    return outcome
        finally:
            await runtime.aclose()

    def _tell(self, outcome: Outcome) -> int:
        from kling_mcp.server.tool import Answer  # noqa: PLC0415 - help does without

        if isinstance(outcome, Answer):
            return self._tell_answer(outcome)
        assert isinstance(outcome, KlingError)  # noqa: S101 - a shell is never asked to repeat a call with an answer
        resume = "" if outcome.retry == "never" else self._again()
        outcome.advice = as_commands(outcome.advice, self._command)
        return tell_error(
            outcome,
            self._terminal,
            wants_json=self._words.wants_json,
            may_create=may_create(self._name),
            resume=resume,
        )

    def _tell_answer(self, answer: Answer) -> int:
        ending = answer.ending
        resume = ""
        if ending.unfinished:
            resume = wait_call(self._words, self._arguments, ending.unfinished)
        elif ending.is_sending or ending.repeats:
            resume = self._again()
        step: str = getattr(answer.view, "next_step", "")
        # The next step of the view is a tool's; a shell has a command.
        told = f"To go on: {resume}" if resume else step
        view = answer.view.model_copy(update={"next_step": told}) if resume and step else answer.view
        if self._words.wants_json:
            result = result_as_commands(view.model_dump(mode="json"), self._command)
            self._terminal.say_json(envelope(result, resume))
        else:
            text = _with_step(answer.text, step, told) if resume else answer.text
            self._terminal.say(as_commands(text, self._command))
        if ending.has_failed:
            return FAILED
        return RUNNING if resume else DONE

    def _again(self) -> str:
        return same_call(self._words, self._arguments)

    def _command(self, tool: str, words: Sequence[str]) -> str:
        return call_line(self._words, tool, words)


def _with_step(text: str, step: str, instead: str) -> str:
    """The text with its last step in the words of a shell."""
    before, found, after = text.rpartition(step) if step else (text, "", "")
    return f"{before}{instead}{after}" if found else f"{text}\n{instead}"
