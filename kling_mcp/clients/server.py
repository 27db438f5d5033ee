"""How a client starts this server: the released package, or this very installation with the settings that are set."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from kling_mcp.settings.given import given_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "kling-mcp"
# Folders of uv's cache, in which `uvx` installs a package for as long as it pleases.
_PASSING = re.compile(r"(?:archive|environments|builds)-v\d+")
_NAMES = MappingProxyType(
    {
        "KLING_API_KEY": "API key",
        "KLING_ACCESS_KEY": "access key",
        "KLING_SECRET_KEY": "secret key",
        "KLING_MCP_STATE_URL": "state database",
    }
)


@dataclass(frozen=True, slots=True)
class Server:
    """What a client runs.

    Attributes:
        env: the variables with their values; that of a secret is a placeholder, which the server refuses by name.
        secrets: the names of those that are placeholders.
    """

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Installation:
    """What runs now.

    Attributes:
        started_as: the first word of the command line, as in `sys.argv[0]`.
        prefix: the environment of the interpreter.
        package: the distribution that holds this program.
    """

    started_as: str = field(default_factory=lambda: sys.argv[0])
    prefix: str = field(default_factory=lambda: sys.prefix)
    package: str = PACKAGE


def name_of_secret(variable: str) -> str:
    """What a person calls it, such as "API key"."""
    return _NAMES.get(variable) or variable.removeprefix("KLING_").replace("_", " ").lower()


def placeholder(variable: str) -> str:
    """What stands in place of a secret."""
    return f"<your {name_of_secret(variable)}>"


def published_server() -> Server:
    """The released package for somebody with a key."""
    return _with_secrets(Server("uvx", (PACKAGE,)), ("KLING_API_KEY",))


def is_passing(prefix: str) -> bool:
    """Whether this environment is one of `uvx`, which starts the program anew and puts it on no path."""
    return _PASSING.search(prefix) is not None


def this_server(environ: Mapping[str, str], running: Installation | None = None) -> Server:
    """The installation that runs now, with the settings of `environ`."""
    running = running or Installation()
    given = given_settings(environ)
    if is_passing(running.prefix):
        command, args = _uvx(environ), _what_uvx_runs(running, has_database="KLING_MCP_STATE_URL" in given.secrets)
    else:
        command, args = _installed(running)
    is_module = args[:1] == ("-m",)
    env = {**given.values, **(_python_path(running) if is_module else {})}
    return _with_secrets(Server(command, args, env), given.secrets or (("KLING_API_KEY",) if given.needs_key else ()))


def _with_secrets(server: Server, secrets: tuple[str, ...]) -> Server:
    env = {**{name: placeholder(name) for name in secrets}, **server.env}
    return Server(server.command, server.args, env, secrets)


def _installed(running: Installation) -> tuple[str, tuple[str, ...]]:
    """The script that was started, by its full path, else this interpreter with the package."""
    for path in (running.started_as, f"{running.started_as}.exe"):
        if Path(path).stem == PACKAGE and os.path.isfile(path):  # noqa: PTH113 - never raises
            # Links are kept: installers renew what is behind them.
            return os.path.abspath(path), ()  # noqa: PTH100 - as above
    return os.path.abspath(sys.executable), ("-m", "kling_mcp")  # noqa: PTH100 - as above


def _python_path(running: Installation) -> dict[str, str]:
    """Where the package is, if it runs from its folder without being installed."""
    return {} if _distribution(running) else {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def _uvx(environ: Mapping[str, str]) -> str:
    """Its full path: programs with windows have a shorter PATH than a shell."""
    beside_uv = Path(environ.get("UV", "uv")).parent
    places = f"{environ.get('PATH', os.defpath)}{os.pathsep}{beside_uv}"
    found = shutil.which("uvx", path=places)
    return os.path.abspath(found) if found else "uvx"  # noqa: PTH100 - as above


def _what_uvx_runs(running: Installation, *, has_database: bool) -> tuple[str, ...]:
    """The words behind `uvx`: the released package, or the place that it came from."""
    source = _source(running)
    if not source and has_database:
        source = f"{running.package}[postgres]"
    return ("--from", source, PACKAGE) if source else (running.package,)


def _source(running: Installation) -> str:
    """The address or path that this package was installed from; "" for a package index.

    It is recorded as PEP 610 says. A password in an address is left out.
    """
    distribution = _distribution(running)
    record = json.loads((distribution and distribution.read_text("direct_url.json")) or "{}")
    url, control = urlsplit(str(record.get("url", ""))), record.get("vcs_info", {})
    if url.scheme == "file":
        return url2pathname(url.path)
    address = urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
    if not control:
        return address
    revision = control.get("requested_revision") or control.get("commit_id", "")
    return f"{control.get('vcs', 'git')}+{address}@{revision}"


def _distribution(running: Installation) -> Distribution | None:
    try:
        return Distribution.from_name(running.package)
    except PackageNotFoundError:
        return None
