"""The names of the elements that this computer knows of, for shell completion: offline, quick, and never an error."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from kling_mcp.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from kling_mcp.settings import Settings

MAX_NAMES = 500
_LOCK_SECONDS = 0.05  # another process writes; a person who presses Tab does not wait for that
_NAMES = """
SELECT name FROM elements WHERE source = 'custom' AND status = 'ready' AND name <> ''
ORDER BY place DESC LIMIT ?
"""


def known_names(settings: Settings) -> list[str]:
    """Names of ready elements of the settings' own account, newest first, as its index has them; often some are new."""
    with suppress(ConfigurationError):
        return list(dict.fromkeys(_read(_newest_index(settings))))
    return []


def _newest_index(settings: Settings) -> Path | None:
    """The account's index file; None where there is none."""
    from kling_mcp.api.auth import credential_fingerprint, host_of  # noqa: PLC0415 - where names are wanted
    from kling_mcp.caller_credentials import SANDBOX_URL, own_credential  # noqa: PLC0415 - as above
    from kling_mcp.settings import default_state_dir  # noqa: PLC0415 - as above

    address = SANDBOX_URL if settings.sandbox else settings.base_url
    folder = settings.sandbox_folder() if settings.sandbox else settings.state_dir or default_state_dir()
    if folder is None:
        return None
    account = credential_fingerprint(own_credential(settings), host_of(address))
    found = [(path.stat().st_mtime, path) for path in folder.glob(f"library-{account}-*.sqlite3")]
    return max(found)[1] if found else None


def _read(path: Path | None) -> list[str]:
    import sqlite3  # noqa: PLC0415 - where names are wanted

    if path is None:
        return []
    with suppress(sqlite3.Error, OSError):
        address = f"file:{quote(str(path))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_LOCK_SECONDS)) as index:
            return [name for (name,) in index.execute(_NAMES, (MAX_NAMES,)) if "\n" not in name and "\t" not in name]
    return []
