"""The options of `kling-mcp serve`: read at every start, so nothing heavy is imported here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kling_mcp.errors import KlingError
from kling_mcp.settings.values import BLANK

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from kling_mcp.commands.option_types import Commands

LOCALHOST, DEFAULT_PORT = "127.0.0.1", 8000


def add_serve(commands: Commands) -> argparse.ArgumentParser:
    """The command with its options; `serve_environ` reads the folders among them."""
    from kling_mcp.commands.option_types import port  # noqa: PLC0415 - argparse comes with it

    serve = commands.add_parser(
        "serve",
        help="serve MCP over stdin and stdout, or over http",
        description="Over stdio it serves the assistant that starts it, with the Kling key from its environment. Over "
        "http it serves /mcp, /healthz and /readyz to many callers; each sends its own Kling key in the header "
        "X-Kling-Api-Key (or X-Kling-Access-Key and X-Kling-Secret-Key). To serve other computers, set "
        "KLING_MCP_ALLOWED_HOSTS, and KLING_MCP_HTTP_TOKEN or KLING_MCP_OAUTH_ISSUER. SIGTERM stops it gracefully.",
        epilog="docs/hosting.md explains how to host it for a team, docs/operating.md how to operate it.",
    )
    serve.add_argument("--transport", choices=["stdio", "http"], default="stdio")
    serve.add_argument("--host", default=LOCALHOST, help="for http: the address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=port, help=f"for http; 0 picks a free port (default: {DEFAULT_PORT})")
    # A bundle's host writes all chosen folders behind one option, and none behind it if nothing was chosen.
    serve.add_argument(
        "--media-dir",
        metavar="DIR",
        nargs="*",
        action="extend",
        default=[],
        help="a folder from which local pictures may be read, instead of KLING_MCP_MEDIA_DIRS; may be repeated",
    )
    serve.add_argument(
        "--output-dir",
        metavar="DIR",
        help="where results are saved, instead of KLING_MCP_OUTPUT_DIR; off saves nothing",
    )
    return serve


def serve_environ(options: argparse.Namespace, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the folders that the options name; a blank one is as if it were not there.

    Raises:
        KlingError: a folder is relative, and the working directory was deleted.
    """
    media = [_full_path("--media-dir", folder) for folder in options.media_dir if not _is_blank(folder)]
    if media:
        environ = {**environ, "KLING_MCP_MEDIA_DIRS": os.pathsep.join(media)}
    return output_environ(options.output_dir, environ)


def options_of_serve(options: argparse.Namespace) -> Mapping[str, str]:
    """For the variable that `--media-dir` sets, that option: a sentence names what a person has written."""
    return {"KLING_MCP_MEDIA_DIRS": "--media-dir"} if any(not _is_blank(each) for each in options.media_dir) else {}


def output_environ(output: str | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with this output folder, or `off`; None and a blank one are as if they were not there.

    Raises:
        KlingError: it is relative, and the working directory was deleted.
    """
    if output is None or BLANK.fullmatch(output.strip()):
        return environ
    folder = output if output.lower() == "off" else _full_path("--output-dir", output)
    return {**environ, "KLING_MCP_OUTPUT_DIR": folder}


def _is_blank(folder: str) -> bool:
    return not folder.strip() or BLANK.fullmatch(folder.strip()) is not None


def _full_path(option: str, text: str) -> str:
    """A folder as a shell means it: a relative path begins at the working directory."""
    try:
        return text and os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - a home may be missing
    except OSError:
        raise KlingError(f"{option} {text!r} is relative to a folder that is gone; give a full path.") from None
