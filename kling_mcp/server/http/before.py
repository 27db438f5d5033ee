"""What is looked at before callers are let in: over http an operator watches the start, and callers cannot mend it.

A folder whose name is wrong would be noticed only after somebody has paid for what should lie in it.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kling_mcp.errors import ConfigurationError
from kling_mcp.results.folder import Folder
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.runtime import Runtime
    from kling_mcp.settings import Settings

# What does not pass by itself. A full disk, or one that fails, is told where it is used: it may be well again by then.
_WRONG = {
    errno.ENOENT,
    errno.EEXIST,  # a file where a folder should be
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
}
_MAX_PATH = 300


def require_means(runtime: Runtime) -> None:
    """The account, folders and files of the settings can be used; folders and files that are missing are made.

    Raises:
        ConfigurationError: names each variable that is wrong.
    """
    settings = runtime.settings
    wrong = []
    if settings.shared_account and settings.credential_kind == "none":
        wrong.append(
            "KLING_MCP_SHARED_ACCOUNT lets callers use this server's Kling account, but it has none: set "
            "KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY."
        )
    if isinstance(settings.output_dir, Path) and not settings.read_only:
        wrong.append(_problem("KLING_MCP_OUTPUT_DIR", settings.output_dir, partial(_open_output, settings.output_dir)))
    if settings.state_dir is not None and not settings.sandbox:
        wrong.append(_problem("KLING_MCP_STATE_DIR", settings.state_dir, partial(_make_private, settings.state_dir)))
    is_named = bool(settings.hosting.audit_log)  # by default it lies in the state folder
    if runtime.audit is not None and (is_named or not any(wrong)):
        variable = "KLING_MCP_AUDIT_LOG" if is_named else "KLING_MCP_STATE_DIR"
        wrong.append(_problem(variable, runtime.audit.path, runtime.audit.open))
    if found := [problem for problem in wrong if problem]:
        raise ConfigurationError(" ".join(found), topic="settings")


def doubts(settings: Settings) -> list[str]:
    """Sentences on settings that are allowed, and probably not what was meant."""
    found = []
    if settings.credential_kind in {"api_key", "key_pair"} and not settings.shared_account:
        found.append(
            "This server's own Kling credentials are not used over http: each caller brings its own. If those who sign "
            "in shall use this account, set KLING_MCP_SHARED_ACCOUNT=1."
        )
    hosting = settings.hosting
    host = urlsplit(hosting.public_url).hostname
    if host and hosting.allowed_hosts and host not in {_without_port(name) for name in hosting.allowed_hosts}:
        found.append(
            f"KLING_MCP_ALLOWED_HOSTS does not hold {quote(host)}, the host of KLING_MCP_PUBLIC_URL: Kling's callbacks "
            "to that address will be refused."
        )
    return found


def _problem(variable: str, path: Path, use: Callable[[], None]) -> str:
    try:
        use()
    except OSError as error:
        if error.errno in _WRONG:
            why = (error.strerror or type(error).__name__).lower()
            return f"{variable}: {quote(str(path), _MAX_PATH)} cannot be made or written to ({why})."
    return ""


def _open_output(path: Path) -> None:
    Folder.output(path).close()
    _require_writable(path)


def _make_private(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    _require_writable(path)


def _require_writable(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _without_port(host: str) -> str:
    return urlsplit(f"//{host}").hostname or host
