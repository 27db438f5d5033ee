"""The command line: commands, their error messages and exit codes.

Only this module and the demo print. Each command imports what it needs when it runs, so that `--help` is instant and
a client that starts the server loads only the server.

Exit codes: 0 success, 1 failure with a message on stderr, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kling_mcp._version import __version__
from kling_mcp.commands.serve_options import DEFAULT_PORT, add_serve, options_of_serve, output_environ, serve_environ
from kling_mcp.errors import KlingError
from kling_mcp.guide import DOCS, guide_to
from kling_mcp.observability.logs import STDOUT, StdoutGuard, configure_logging
from kling_mcp.settings import Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from kling_mcp.commands.console import Terminal

    # A command gets its options and the environment, and returns the exit code.
    Command = Callable[[argparse.Namespace, Mapping[str, str]], int]
    from kling_mcp.commands.option_types import Commands

logger = logging.getLogger(__name__)

DONE, FAILED, INTERRUPTED = 0, 1, 130
_WRONG_USE = 2
_ALL_THE_REST = "..."  # argparse.REMAINDER

_AT_A_TERMINAL = (
    "kling-mcp is serving MCP over stdin and stdout; normally an assistant starts it. "
    "Press Ctrl-C to stop. To see it at work, try: kling-mcp demo"
)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command and return its exit code. `argv` and `environ` default to the process's own."""
    try:
        options = _read_options(sys.argv[1:] if argv is None else argv)
    except SystemExit as stop:  # argparse has printed the error or the help
        return int(stop.code or DONE)
    run: Command = options.run
    try:
        # Passed on as it is: only `settings` reads from it.
        return run(options, os.environ if environ is None else environ)
    except KlingError as error:
        told = filter(None, (f"kling-mcp: {error.message}", error.advice, guide_to(error.topic)))
        print(" ".join(told), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as in `kling-mcp demo | head -3`: the reader is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return FAILED


def _read_options(argv: Sequence[str]) -> Any:
    """Without words, as most clients start it, no parser is built: that would take longer than all the settings.

    Raises:
        SystemExit: as argparse.
    """
    return _build_parser().parse_args(_with_hint(argv)) if argv else SimpleNamespace(**_WITHOUT_WORDS)


def _with_hint(argv: Sequence[str]) -> Sequence[str]:
    """The words as they are; a tool in place of a command is named with the one that runs it.

    Raises:
        SystemExit: wrong use, as argparse says it.
    """
    from kling_mcp.server.tools import NAMES  # noqa: PLC0415 - where words are given

    if argv and argv[0].replace("-", "_") in NAMES:
        tool = argv[0].replace("-", "_")
        print(f"kling-mcp: {tool} is a tool: write kling-mcp call {tool}", file=sys.stderr)
        raise SystemExit(_WRONG_USE)
    return argv


def _build_parser() -> argparse.ArgumentParser:
    import argparse  # noqa: PLC0415 - most clients give no words

    from kling_mcp.commands.check_options import add_check  # noqa: PLC0415 - as above
    from kling_mcp.commands.connect_options import add_connect  # noqa: PLC0415 - as above
    from kling_mcp.commands.demo_options import add_demo  # noqa: PLC0415 - as above
    from kling_mcp.commands.production_options import add_production  # noqa: PLC0415 - as above
    from kling_mcp.commands.simulate_options import add_simulate  # noqa: PLC0415 - as above

    parser = argparse.ArgumentParser(
        prog="kling-mcp",
        description="MCP server for Kling AI's Elements API. Without a command it serves over stdin and stdout.",
        epilog=f"Settings come from environment variables, which this page lists:\n{DOCS}/settings.md",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # the other one breaks links in two
    )
    parser.add_argument("--version", action="version", version=f"kling-mcp {__version__}")
    parser.set_defaults(**_WITHOUT_WORDS)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    add_serve(commands).set_defaults(run=_serve)
    add_demo(commands).set_defaults(run=_demo)
    add_check(commands).set_defaults(run=_check)
    _add_reader_of_words(commands, "call", "call any tool; call --help lists them").set_defaults(run=_call)
    _add_tasks(commands)
    add_simulate(commands).set_defaults(run=_simulate)
    add_production(commands).set_defaults(run=_production)
    add_connect(commands).set_defaults(run=_connect)
    about = "print a script that completes commands, tools and names in bash, zsh or fish"
    _add_reader_of_words(commands, "completion", about).set_defaults(run=_completion)
    return parser


def _add_reader_of_words(commands: Commands, name: str, about: str) -> argparse.ArgumentParser:
    """A command that reads its own words: to argparse none is an option, so values begin as they like."""
    command = commands.add_parser(name, help=about, add_help=False, prefix_chars="\0")
    command.add_argument("words", nargs=_ALL_THE_REST)
    return command


# --- serve


def _serve(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if options.transport == "stdio":
        _require_open_streams()
        if options.port is not None:
            _note("kling-mcp: --port has no effect over stdio; to serve on a port, add --transport http.")
    is_tolerant = options.transport == "stdio"
    given = serve_environ(options, environ)
    settings = _read_settings(given, tolerant=is_tolerant, at_shell=False, options=options_of_serve(options))
    if options.transport == "http":
        from kling_mcp.server.http.serve import serve_http  # noqa: PLC0415 - half a second

        _heed_interrupts()
        chosen = DEFAULT_PORT if options.port is None else options.port
        serve_http(settings, options.host, chosen, lambda url: _note(f"kling-mcp serves {url} (Ctrl-C stops it)"))
    else:
        if sys.stdin.isatty():
            _note(_AT_A_TERMINAL)
        with StdoutGuard() as stdout:
            from kling_mcp.server.stdio import serve_stdio  # noqa: PLC0415 - may print, so only now

            serve_stdio(settings, stdout)
    return DONE


_WITHOUT_WORDS = {"run": _serve, "transport": "stdio", "media_dir": [], "output_dir": None, "port": None}


def _require_open_streams() -> None:
    """Python has no stream where the descriptor was closed before the start.

    Raises:
        KlingError: names what is closed.
    """
    closed = [name for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout)) if stream is None]
    if closed:
        raise KlingError(
            f"{' and '.join(closed)} {'is' if len(closed) == 1 else 'are'} closed, but MCP over stdio needs both.",
            advice="Let a client start the server with both connected (docker: run -i), or use serve --transport http.",
            topic="the-client-does-not-start-the-server",
        )
    if sys.stderr is None:  # or the next file that is opened would get what is meant for stderr
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good


# --- demo


def _demo(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from kling_mcp.commands.demo_options import film_folder  # noqa: PLC0415 - one command's own
    from kling_mcp.demo.request import demo_request  # noqa: PLC0415 - one command's own
    from kling_mcp.demo.run import run_live_demo, run_sandbox_demo  # noqa: PLC0415 - loads the MCP client

    configure_logging()
    _print_every_character()
    request = demo_request(options.name, options.description, tuple(options.picture), live=options.live)
    request = replace(request, film_dir=film_folder(options))
    if not options.live:
        run_sandbox_demo(request, environ)
        return DONE
    return DONE if run_live_demo(request, environ, assume_yes=options.yes) else FAILED


# --- check


def _check(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from kling_mcp.commands.check import run_check  # noqa: PLC0415 - one command's own

    at_shell = options.transport == "stdio"
    settings = Settings.from_env(environ, tolerant=True, at_shell=at_shell)
    configure_logging(settings.log_level, settings.secrets, settings.log_format)
    _print_every_character()
    variables = environ if options.json else None
    return run_check(settings, transport=options.transport, host=options.host, variables=variables, say=_say)


# --- tasks


def _add_tasks(commands: Commands) -> None:
    tasks = commands.add_parser("tasks", help="list the creations in the journal, unfinished ones first")
    tasks.add_argument("--limit", type=int, default=50, metavar="N", help="at most N (default: %(default)s)")
    tasks.set_defaults(run=_tasks)


def _tasks(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    import anyio  # noqa: PLC0415 - half of the commands do without

    from kling_mcp.runtime import Runtime  # noqa: PLC0415 - one command's own
    from kling_mcp.tasks.entry_rows import read_entries  # noqa: PLC0415 - one command's own
    from kling_mcp.tasks.report import format_entries  # noqa: PLC0415 - one command's own

    runtime = Runtime(_read_settings(environ), keeps_sandbox=True)
    _print_every_character()
    try:
        entries = anyio.run(read_entries, runtime.store, None, max(1, options.limit))
    finally:
        runtime.store.close()
    print("\n".join(format_entries(entries, place=runtime.state_location)))
    return DONE


# --- call


def _call(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from kling_mcp.commands.call import run_call  # noqa: PLC0415 - one command's own
    from kling_mcp.commands.call_words import sort_words  # noqa: PLC0415 - one command's own

    words = sort_words(options.words)
    # As over stdio: a wrong value stops the calls that need it, and `check_setup` lists it.
    settings = _read_settings(output_environ(words.output_dir, environ), tolerant=True)
    return run_call(words, settings, _terminal())


# --- completion


def _completion(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from kling_mcp.commands.completion import run_completion  # noqa: PLC0415 - one command's own

    _print_every_character()
    return run_completion(options.words, _build_parser(), lambda: Settings.from_env(environ, tolerant=True), print)


# --- production, connect


def _production(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from kling_mcp.commands.production import run_production  # noqa: PLC0415 - one command's own

    return run_production(options, _read_settings(environ), _terminal())


def _terminal() -> Terminal:
    """Where a command speaks; stdout may be closed, and may know few characters."""
    from kling_mcp.commands.console import Terminal, ask_at_terminal, is_unicode  # noqa: PLC0415 - two commands' own

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # or the next file that is opened would get what is meant for it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
    _print_every_character()
    return Terminal(_say, _note, ask_at_terminal(_note), is_unicode=is_unicode(sys.stdout))


def _connect(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from kling_mcp.commands.connect import run_connect  # noqa: PLC0415 - one command's own

    _print_every_character()
    return run_connect(options, environ, print, _note)


# --- simulate


def _simulate(options: argparse.Namespace, _: Mapping[str, str]) -> int:
    from kling_mcp.simulator import World, serve  # noqa: PLC0415 - one command's own

    configure_logging()
    is_open = not (options.api_key or options.key_pair)
    world = World(
        api_keys=options.api_key,
        key_pairs=dict(options.key_pair),
        any_api_key=is_open,
        max_body_bytes=options.max_body_bytes,
    )

    def tell(url: str) -> None:
        print(f"The Kling simulator serves {url} (Ctrl-C stops it). To use it, set:")
        credential = "KLING_API_KEY=any" if is_open else "and the credentials you gave"
        print(f"   KLING_BASE_URL={url} {credential}", flush=True)

    _heed_interrupts()
    try:
        serve(world, port=options.port, control=options.control, on_listening=tell)
    except OSError as error:
        raise KlingError(f"Port {options.port} cannot be used ({error.strerror or error}); choose another.") from None
    return DONE


# --- shared


def _read_settings(
    environ: Mapping[str, str],
    *,
    tolerant: bool = False,
    at_shell: bool = True,
    options: Mapping[str, str] | None = None,
) -> Settings:
    """The settings; from here on no log line contains one of their secrets.

    `at_shell`: a relative output folder begins at the working directory; a server's must be a full path.
    `options`: see `Settings.from_env`.

    Raises:
        ConfigurationError: names the variable that is wrong, unless `tolerant`.
    """
    settings = Settings.from_env(environ, tolerant=tolerant, at_shell=at_shell, options=options)
    configure_logging(settings.log_level, settings.secrets, settings.log_format)
    for fault in settings.faults:
        logger.warning("%s", fault.sentence)
    if settings.faults:
        logger.warning("%s", guide_to("settings"))
    return settings


def _heed_interrupts() -> None:
    """Report an interrupt as one, even in a background job, where it is ignored: uvicorn ends at SIGINT everywhere."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _say(text: str) -> None:
    print(text, flush=True)  # at once, so that a reader who is gone is noticed here


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_every_character() -> None:
    """Print an escape, and do not crash, if the terminal or pipe cannot show a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
