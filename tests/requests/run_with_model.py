"""Lets a model or a command-line agent do the requests for real, and writes a table.

    python tests/requests/run_with_model.py --base-url https://HOST/v1 --model NAME --api openai --key-env MY_KEY
    python tests/requests/run_with_model.py --agent-command 'my-agent --print'

Kling is the built-in simulator: nothing is created anywhere and nothing is paid, except for the model's tokens. The
key is read from the environment variable that `--key-env` names, sent to the endpoint, and shown nowhere.
Exit: 0 all passed, 1 some failed, 2 the run could not begin or not go on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

# At the end: `tests` holds a folder named like the library `requests`, which must not come first.
sys.path.extend(str(Path(__file__).parents[level]) for level in range(3))

from evaluation.agent import cannot_be_driven
from evaluation.conversation import Bounds
from evaluation.endpoints import EndpointError
from evaluation.grading import grade
from evaluation.performers import describe, performers
from evaluation.report import Row, as_comparison, as_table, summary
from evaluation.sheets import read_requests
from evaluation.tool_texts import UnreadableTextsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.conversation import Conversation
    from evaluation.performers import Perform
    from evaluation.sheets import Request

    Rows = dict[str, list[Row]]


_USUAL = Bounds()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _parser((__doc__ or "").partition("\n")[0]).parse_args(arguments)
    try:
        requests = _chosen(options)
        if options.list:
            _say("\n".join(f"{request.theme:12} {request.id:32} {request.guards}" for request in requests))
            return 0
        versions = performers(options)
    except (EndpointError, UnreadableTextsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    rows, ended = _run_all(requests, versions, options)
    if ended:
        sys.stderr.write(f"{ended}\n")
    if all(rows.values()):
        _tell(rows, options)
    if ended:
        return 2
    return 0 if all(row.passed == row.runs for each in rows.values() for row in each) else 1


def _tell(rows: Rows, options: argparse.Namespace) -> None:
    first, *others = rows.values()
    title = f"{len(first)} requests done by {describe(options)}"
    if others:
        names = ", ".join(f"{name} {place}" for name, place in zip("AB", options.compare, strict=True))
        table = shown = as_comparison(first, others[0], f"{title}: {names}")
    else:
        table, shown = as_table(first, title), summary(first)
    if options.out:
        Path(options.out).write_text(table, "utf-8")
    _say(shown if options.out else table)


def _parser(description: str) -> argparse.ArgumentParser:
    """Every option of the runner."""
    made = argparse.ArgumentParser(description=description)
    _add_doers(made.add_argument_group("who does the requests: a model, or an agent"))
    _add_bounds(made.add_argument_group("what a request may cost"))
    add = made.add_argument
    add("--only", action="append", default=[], metavar="ID", help="one request, or all of a theme; may be repeated")
    add("--repeat", type=int, default=1, metavar="N", help="run each request N times")
    add(
        "--compare",
        nargs=2,
        default=[],
        metavar=("A", "B"),
        help="do each request with two versions of the tools' texts: checkouts, or for models also JSON files of "
        "tools/list",
    )
    add("--out", default="", metavar="FILE", help="write the table there (Markdown)")
    add("--trace", default="", metavar="FILE", help="write every call and answer there (JSON lines)")
    add("--folder", default="", metavar="DIR", help="where the users' files are put; a temporary folder by default")
    add("--list", action="store_true", help="show the requests and what they guard, and run nothing")
    return made


def _add_doers(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--base-url", default="", help="what comes before /chat/completions, or before /v1/messages")
    add("--model", default="", help="the model's name at that endpoint")
    add("--api", choices=["openai", "anthropic"], default="openai")
    add("--key-env", default="", metavar="NAME", help="the environment variable that holds the key; none sends no key")
    add("--era", choices=["auto", "legacy"], default="auto", help="MCP's protocol era")
    add("--see", choices=["text", "structured"], default="text", help="the form of results that the model is shown")
    add("--limit-field", default="max_tokens", help="openai: max_tokens or max_completion_tokens")
    add(
        "--agent-command",
        default="",
        metavar="CMD",
        help="instead of a model: a shell command that reads the request on stdin, calls `kling-mcp call`, and prints "
        "its answer",
    )
    add(
        "--count-tokens",
        action="store_true",
        help="of agents that count no tokens themselves: install the benchmarks' tokenizer instead of estimating",
    )


def _add_bounds(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--max-turns", type=int, default=_USUAL.turns, metavar="N", help="turns of the model a request")
    add("--max-seconds", type=float, default=_USUAL.seconds, metavar="S", help="seconds a request")
    add("--max-tokens", type=int, default=_USUAL.tokens, metavar="N", help="tokens a request, in and out (models)")
    add("--max-answer-tokens", type=int, default=_USUAL.answer_tokens, metavar="N", help="tokens of one turn (models)")


def _chosen(options: argparse.Namespace) -> list[Request]:
    requests = read_requests()
    known = {request.id for request in requests} | {request.theme for request in requests}
    if unknown := [name for name in options.only if name not in known]:
        raise EndpointError(f"there is no request {', '.join(unknown)}; --list shows them", is_fatal=True)
    chosen = [request for request in requests if not options.only or {request.id, request.theme} & set(options.only)]
    if not options.agent_command:
        return chosen
    for request in chosen:
        if why := cannot_be_driven(request):
            sys.stderr.write(f"left out {request.id}: {why}\n")
    return [request for request in chosen if not cannot_be_driven(request)]


def _run_all(
    requests: Sequence[Request], versions: Sequence[tuple[str, Perform]], options: argparse.Namespace
) -> tuple[Rows, str]:
    """The rows of each version, and why the run ended before its end, or ""."""
    rows: Rows = {version: [] for version, _ in versions}
    with tempfile.TemporaryDirectory(prefix="requests-") as temporary:
        root = Path(options.folder or temporary).resolve()
        for request in requests:
            for version, perform in versions:
                try:
                    rows[version].append(_run_one(request, version, perform, options, root / version))
                except EndpointError as error:
                    return rows, str(error)
    return rows, ""


def _run_one(request: Request, version: str, perform: Perform, options: argparse.Namespace, root: Path) -> Row:
    row = Row(request.id, request.theme)
    for number in range(1, options.repeat + 1):
        conversation = perform(request, root / request.id / str(number))
        reasons = grade(request, conversation.play)
        _add(row, conversation, reasons)
        _trace(options.trace, request, version, conversation, reasons)
        sys.stderr.write(f"{'passed' if not reasons else 'FAILED'} {request.id} {version}".rstrip() + "\n")
    return row


def _add(row: Row, conversation: Conversation, reasons: list[str]) -> None:
    row.runs += 1
    row.passed += not reasons
    row.calls += len(conversation.play.steps)
    row.tokens_in += conversation.tokens_in
    row.tokens_out += conversation.tokens_out
    row.units += conversation.play.ending.units
    row.seconds += conversation.seconds
    row.is_estimated |= conversation.is_estimated
    row.reasons.update(reasons)


def _trace(path: str, request: Request, version: str, conversation: Conversation, reasons: list[str]) -> None:
    if path:
        play = conversation.play
        line = {
            "id": request.id,
            "version": version,
            "reasons": reasons,
            "answer": play.answer,
            "steps": [asdict(step) for step in play.steps],
        }
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    sys.exit(main())
