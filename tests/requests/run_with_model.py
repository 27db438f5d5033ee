"""Lets a model do the requests for real, through an OpenAI- or Anthropic-compatible endpoint, and writes a table.

    python tests/requests/run_with_model.py --base-url https://HOST/v1 --model NAME --api openai --key-env MY_KEY

Kling is the built-in simulator: nothing is created anywhere and nothing is paid, except for the model's tokens. The
key is read from the environment variable that `--key-env` names, sent to the endpoint, and shown nowhere.
Exit: 0 all passed, 1 some failed, 2 the run could not begin or not go on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

# At the end: `tests` holds a folder named like the library `requests`, which must not come first.
sys.path.extend(str(Path(__file__).parents[level]) for level in range(3))

from evaluation.conversation import Bounds, converse
from evaluation.endpoints import Anthropic, Endpoint, EndpointError, OpenAI
from evaluation.grading import grade
from evaluation.report import Row, as_table, summary
from evaluation.sheets import read_requests
from virtual_time import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.conversation import Conversation
    from evaluation.sheets import Request

_USUAL = Bounds()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        requests = _chosen(options)
        if options.list:
            _say("\n".join(f"{request.theme:10} {request.id:32} {request.guards}" for request in requests))
            return 0
        endpoint = _endpoint(options)
    except EndpointError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    rows, ended = _run_all(requests, endpoint, options)
    if ended:
        sys.stderr.write(f"{ended}\n")
    if rows:
        _tell(rows, options)
    if ended:
        return 2
    return 0 if all(row.passed == row.runs for row in rows) else 1


def _tell(rows: Sequence[Row], options: argparse.Namespace) -> None:
    table = as_table(rows, f"{len(rows)} requests done by {options.model} ({options.api}, results as {options.see})")
    if options.out:
        Path(options.out).write_text(table, "utf-8")
    _say(table if not options.out else summary(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--base-url", default="", help="what comes before /chat/completions, or before /v1/messages")
    add("--model", default="", help="the model's name at that endpoint")
    add("--api", choices=["openai", "anthropic"], default="openai")
    add("--key-env", default="", metavar="NAME", help="the environment variable that holds the key; none sends no key")
    add("--only", action="append", default=[], metavar="ID", help="one request, or all of a theme; may be repeated")
    add("--repeat", type=int, default=1, metavar="N", help="run each request N times")
    add("--era", choices=["auto", "legacy"], default="auto", help="MCP's protocol era")
    add("--see", choices=["text", "structured"], default="text", help="the form of results that the model is shown")
    add("--limit-field", default="max_tokens", help="openai: max_tokens or max_completion_tokens")
    add("--max-turns", type=int, default=_USUAL.turns, metavar="N", help="turns of the model a request")
    add("--max-seconds", type=float, default=_USUAL.seconds, metavar="S", help="seconds a request")
    add("--max-tokens", type=int, default=_USUAL.tokens, metavar="N", help="tokens a request, in and out")
    add("--max-answer-tokens", type=int, default=_USUAL.answer_tokens, metavar="N", help="tokens of one turn")
    add("--out", default="", metavar="FILE", help="write the table there (Markdown)")
    add("--trace", default="", metavar="FILE", help="write every call and answer there (JSON lines)")
    add("--folder", default="", metavar="DIR", help="where the users' files are put; a temporary folder by default")
    add("--list", action="store_true", help="show the requests and what they guard, and run nothing")
    return parser


def _chosen(options: argparse.Namespace) -> list[Request]:
    requests = read_requests()
    known = {request.id for request in requests} | {request.theme for request in requests}
    if unknown := [name for name in options.only if name not in known]:
        raise EndpointError(f"there is no request {', '.join(unknown)}; --list shows them", is_fatal=True)
    return [request for request in requests if not options.only or {request.id, request.theme} & set(options.only)]


def _endpoint(options: argparse.Namespace) -> Endpoint:
    if not options.base_url or not options.model:
        raise EndpointError("--base-url and --model are needed", is_fatal=True)
    key = os.environ.get(options.key_env, "").strip() if options.key_env else ""
    if options.key_env and not key:
        raise EndpointError(f"the environment variable {options.key_env} is not set", is_fatal=True)
    if options.api == "openai":
        return Endpoint(options.base_url, OpenAI(options.limit_field), options.model, key)
    return Endpoint(options.base_url.rstrip("/").removesuffix("/v1"), Anthropic(), options.model, key)


def _run_all(requests: Sequence[Request], endpoint: Endpoint, options: argparse.Namespace) -> tuple[list[Row], str]:
    """The rows, and why the run ended before its end, or ""."""
    bounds = Bounds(options.max_turns, options.max_seconds, options.max_tokens, options.max_answer_tokens)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="requests-") as temporary:
        root = Path(options.folder or temporary).resolve()
        for request in requests:
            try:
                rows.append(_run_one(request, endpoint, bounds, options, root))
            except EndpointError as error:
                return rows, str(error)
    return rows, ""


def _run_one(request: Request, endpoint: Endpoint, bounds: Bounds, options: argparse.Namespace, root: Path) -> Row:
    row = Row(request.id, request.theme)
    for number in range(1, options.repeat + 1):
        talk = partial(
            converse,
            request,
            endpoint,
            root / request.id / str(number),
            bounds,
            era=options.era,
            shows_structured=options.see == "structured",
        )
        conversation = anyio.run(talk, backend_options={"loop_factory": VirtualLoop})
        reasons = grade(request, conversation.play)
        _add(row, conversation, reasons)
        _trace(options.trace, request, conversation, reasons)
        sys.stderr.write(f"{'passed' if not reasons else 'FAILED'} {request.id}\n")
    return row


def _add(row: Row, conversation: Conversation, reasons: list[str]) -> None:
    row.runs += 1
    row.passed += not reasons
    row.calls += len(conversation.play.steps)
    row.tokens_in += conversation.tokens_in
    row.tokens_out += conversation.tokens_out
    row.seconds += conversation.seconds
    row.is_estimated |= conversation.is_estimated
    row.reasons.update(reasons)


def _trace(path: str, request: Request, conversation: Conversation, reasons: list[str]) -> None:
    if path:
        play = conversation.play
        line = {
            "id": request.id,
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
