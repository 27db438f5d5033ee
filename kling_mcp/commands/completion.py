"""Shell completion: what may come next, from the commands' options, the tools' arguments and the index of names.

The shells' scripts (`shells/`) ask for it with every press of Tab, so it must be quick: nothing is sent, and no tool is
loaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kling_mcp.commands.call_help import meaning_of
from kling_mcp.commands.call_words import sort_words
from kling_mcp.commands.console import DONE, WRONG_USE
from kling_mcp.commands.known_names import known_names
from kling_mcp.server.tool_aliases import current_name
from kling_mcp.server.tool_selection import hidden_tools
from kling_mcp.server.tools import NAMES, read_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kling_mcp.settings import Settings

SHELLS = ("bash", "zsh", "fish")
USAGE = """\
usage: kling-mcp completion bash|zsh|fish

Print a script that completes commands, tools, arguments, their choices and the names of your elements.

  bash: add to ~/.bashrc                     eval "$(kling-mcp completion bash)"
  zsh:  add to ~/.zshrc                      eval "$(kling-mcp completion zsh)"
  fish: once   kling-mcp completion fish > ~/.config/fish/completions/kling-mcp.fish"""
_SCRIPTS = Path(__file__).with_name("shells")
_FLAGS = {"--json": "print one JSON object", "--help": "show the arguments"}
# Arguments that name elements; in a prompt they come after an @.
_NAMES_ELEMENTS = {"element", "elements", "require"}
_HOLDS_NAMES = {"prompt", "shots"}
# Where bash cuts words (COMP_WORDBREAKS), of what an argument has.
_CUTS = frozenset("=:@")

# A word that may come, and what it means.
Candidate = tuple[str, str]


def run_completion(
    given: Sequence[str],
    parser: argparse.ArgumentParser,
    read_settings: Callable[[], Settings],
    say: Callable[[str], None],
) -> int:
    """Say a shell's script, or what may come next (`words SHELL WORD...`); the exit code."""
    match list(given):
        case [shell] if shell in SHELLS:
            say((_SCRIPTS / f"kling-mcp.{shell}").read_text("utf-8").rstrip("\n"))
        case ["words", shell, *words]:
            for text, meaning in _for_shell(shell, words, parser, read_settings):
                say(f"{text}\t{meaning}")
        case ["--help" | "-h"]:
            say(USAGE)
        case _:
            say(USAGE)
            return WRONG_USE
    return DONE


def _for_shell(
    shell: str, words: list[str], parser: argparse.ArgumentParser, read_settings: Callable[[], Settings]
) -> Iterable[Candidate]:
    glued = _glue(words) if shell == "bash" else words or [""]
    *before, typed = glued
    # bash replaces only what stands after its last cut.
    cut = len(typed) - len(words[-1].lstrip("=:@")) if shell == "bash" and words and words[-1] != typed else 0
    for text, meaning in complete(before, typed, parser, read_settings):
        if text.startswith(typed):
            yield text[cut:], meaning


def _glue(words: Sequence[str]) -> list[str]:
    """The words as they were typed, of those that bash has cut."""
    glued: list[str] = []
    goes_on = False
    for word in words:
        is_cut = bool(word) and set(word) <= _CUTS
        if glued and (goes_on or is_cut):
            glued[-1] += word
        else:
            glued.append(word)
        goes_on = is_cut
    return glued or [""]


def complete(
    before: Sequence[str], typed: str, parser: argparse.ArgumentParser, read_settings: Callable[[], Settings]
) -> list[Candidate]:
    """What may come in place of `typed`, after these words; nothing where a file may come."""
    for place, word in enumerate(before):
        if word == "call":
            return _complete_call(list(before[place + 1 :]), typed, read_settings())
        parser = _commands_of(parser).get(word, parser)
    if before and before[-1] == "completion":
        return [(shell, "") for shell in SHELLS]
    return _complete_options(before, typed, parser)


def _complete_options(before: Sequence[str], typed: str, parser: argparse.ArgumentParser) -> list[Candidate]:
    options = {name: action for action in parser._actions for name in action.option_strings}  # noqa: SLF001 - as below
    if before and before[-1] in options and options[before[-1]].nargs != 0:
        return [(str(choice), "") for choice in options[before[-1]].choices or ()]
    if typed.startswith("-"):
        return [(name, _help(action)) for name, action in options.items()]
    return [(name, _about(parser, name)) for name in _commands_of(parser)]


def _commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """A parser's commands; argparse has no public way to ask for them."""
    found = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001 - as said
    action = next(found, None)
    return dict(action.choices) if action else {}


def _about(parser: argparse.ArgumentParser, name: str) -> str:
    for action in parser._actions:  # noqa: SLF001 - as above
        for choice in getattr(action, "_choices_actions", ()):
            if choice.dest == name:
                return _help(choice)
    return ""


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("(default: %(default)s)", "").strip()


def _complete_call(before: list[str], typed: str, settings: Settings) -> list[Candidate]:
    if typed.startswith("-"):
        return list(_FLAGS.items())
    words = sort_words(before)
    if not words.tool:
        hidden = hidden_tools(settings)
        return [(name, read_wire(name)["title"]) for name in NAMES if name not in hidden]
    tool = current_name(words.tool)
    if tool not in NAMES:
        return []
    arguments = read_wire(tool)["inputSchema"].get("properties", {})
    name, is_named, value = typed.partition("=")
    if is_named:
        return [(f"{name}={each}", "") for each in _values(tool, name, value, arguments.get(name, {}), settings)]
    given = {word.partition("=")[0] for word in words.given}
    left = [each for each, schema in arguments.items() if each not in given or schema["type"] == "array"]
    return [(f"{each}=", meaning_of(tool, each)) for each in left]


def _values(tool: str, name: str, value: str, schema: dict[str, object], settings: Settings) -> list[str]:
    choices = schema.get("enum")
    if isinstance(choices, list):
        extra = [model.name for model in settings.extra_models] if (tool, name) == ("generate_video", "model") else []
        return [*choices, *extra]
    if schema.get("type") == "boolean":
        return ["true", "false"]
    if name in _HOLDS_NAMES and "@" in value:
        start = value[: value.rindex("@") + 1]
        return [start + each for each in known_names(settings)]
    if name in _NAMES_ELEMENTS or (tool, name) in {("get_element", "id"), ("delete_element", "element_name")}:
        return known_names(settings)
    return []
