"""Typed reading of single environment variables; `values` and the settings decide what a value means.

Every error names the variable, and none shows the value of a secret.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from kling_mcp.errors import ConfigurationError
from kling_mcp.settings.values import UNFILLED, validated_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

LogFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_MAX_SECRET_FILE_BYTES = 16 * 1024


class Environment:
    """Typed reading of single variables; an empty variable counts as unset."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        value = self._values.get(name, "").strip()
        if UNFILLED.fullmatch(value):
            raise ConfigurationError(
                f"{name} holds the placeholder {value[:60]} instead of a value: your client did not fill it in. "
                "Set the actual value, or remove the variable."
            )
        return value

    def secret(self, name: str) -> str:
        """A secret, from the variable or from the file that `<name>_FILE` names."""
        value, file_name = self._values.get(name, ""), self.text(f"{name}_FILE")
        if value.strip() and file_name:
            raise ConfigurationError(f"Both {name} and {name}_FILE are set; keep one of them.")
        if file_name:
            return validated_secret(f"{name}_FILE", _read_secret_file(f"{name}_FILE", file_name))
        return validated_secret(name, value.strip("\r\n"))

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name).lower()
        if not value:
            return default
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise ConfigurationError(f"{name} must be 1 or 0; it is {value[:40]!r}.")

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            raise ConfigurationError(f"{name} must be a whole number from {lowest} to {highest}; it is {value[:40]!r}.")
        return int(value)

    def log_level(self, name: str) -> LogLevel:
        """`WARNING` by default: over stdio some clients show every log line as an error."""
        value = self.text(name).upper() or "WARNING"
        for level in get_args(LogLevel):
            if value == level:
                return cast("LogLevel", level)
        raise ConfigurationError(f"{name} must be one of {', '.join(get_args(LogLevel))}; it is {value[:40]!r}.")

    def log_format(self, name: str) -> LogFormat:
        match self.text(name).lower():
            case "" | "text":
                return "text"
            case "json":
                return "json"
        raise ConfigurationError(f"{name} must be text or json.")

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part for part in re.split(r"[\s,]+", self.text(name)) if part)

    def folder(self, name: str) -> Path | None:
        value = self.text(name)
        return _without_tilde(name, value) if value else None

    def folders(self, name: str) -> tuple[Path, ...] | None:
        value = self.text(name)
        if not value:
            return None
        folders = tuple(_without_tilde(name, part.strip()) for part in value.split(os.pathsep) if part.strip())
        for folder in folders:
            if not folder.is_absolute() or not folder.is_dir():
                raise ConfigurationError(
                    f"{name} must list existing folders by their full paths, separated by {os.pathsep!r}; "
                    f"{str(folder)[:200]!r} is not one."
                )
        return folders


def _read_secret_file(name: str, file_name: str) -> str:
    path = _without_tilde(name, file_name)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SECRET_FILE_BYTES + 1)  # a file's stated size may be wrong, as for /dev/zero
        if len(data) > _MAX_SECRET_FILE_BYTES:
            raise ConfigurationError(f"{name} names a file that is too large to hold a key.")
        value = data.decode("utf-8-sig").strip("\r\n")  # Windows editors add a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} names a file that cannot be read ({type(error).__name__}).") from None
    if not value.strip():
        raise ConfigurationError(f"{name} names a file that is empty.")
    return value


def _without_tilde(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{name} begins with ~, but that home does not exist; give the full path.") from None
