"""Typed reading of single environment variables; `values` and the settings decide what a value means.

Every error names the variable, and none shows the value of a secret.
"""

from __future__ import annotations

import codecs
import os
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast, get_args

from kling_mcp.errors import ConfigurationError
from kling_mcp.settings.faults import Fault, Need, fault, unknown_names
from kling_mcp.settings.values import BLANK, UNFILLED, UnfilledError, validated_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
D = TypeVar("D")
LogFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_MAX_SECRET_FILE_BYTES = 16 * 1024
_IN_QUOTES = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
# `$NAME` only where a folder's name begins: Windows has shares with names such as data$x.
_UNFILLED_IN_PATH = re.compile(r"\$\{[^}]*\}|(?:(?<=[\\/])|^)\$[A-Za-z_]\w*|%[A-Za-z_]\w*%")


class Environment:
    """Typed reading of single variables; an empty variable counts as unset.

    If `tolerant`, an unfilled placeholder counts as unset, and `read` replaces what cannot be right; `faults` lists
    both. If `at_shell`, `shell_path` takes relative paths. `options` has the options from which variables come.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        *,
        tolerant: bool = False,
        at_shell: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._values = values
        self._at_shell = at_shell
        self._tolerant = tolerant
        self._options = options or {}
        self._known: set[str] = set()
        self.faults: list[Fault] = []

    def read(self, need: Need, read: Callable[[], T], otherwise: D, meanwhile: str = "It is ignored.") -> T | D:
        """What `read` returns; if tolerant, `otherwise` in place of an error, which then stops what `need` says.

        `meanwhile` says what happens if it stops nothing.
        """
        try:
            return read()
        except ConfigurationError as error:
            if not self._tolerant:
                raise
            self._note(need, error, meanwhile)
            return otherwise

    def text(self, name: str, *, unfilled: str = "", must_be_filled: bool = False) -> str:
        """The value without white space and one pair of quotes around it, which files of variables often have.

        If tolerant, a placeholder reads as `unfilled`, unless it `must_be_filled`.
        """
        value = self._value(name).strip()
        if quoted := _IN_QUOTES.fullmatch(value):
            value = quoted[2].strip()
        if BLANK.fullmatch(value):
            return ""
        if not UNFILLED.fullmatch(value):
            return value
        if must_be_filled:
            raise _unfilled(name, value)
        return self._counts_as(name, value, unfilled)

    def secret(self, name: str) -> str:
        """A secret, from the variable or from the file that `<name>_FILE` names."""
        value, file_name = self._value(name), self.text(f"{name}_FILE")
        if BLANK.fullmatch(value.strip()):
            value = ""
        if value.strip() and file_name:
            raise ConfigurationError(f"Both {name} and {name}_FILE are set; keep one of them.")
        if file_name:
            if _UNFILLED_IN_PATH.search(file_name) and not os.path.exists(file_name):  # noqa: PTH110 - never raises
                raise _unfilled(f"{name}_FILE", file_name)
            return validated_secret(f"{name}_FILE", _read_secret_file(f"{name}_FILE", file_name))
        return validated_secret(name, value.strip("\r\n"))

    def tolerant_secret(self, name: str, need: Need, *, unfilled: Need = "nothing") -> str:
        """As `secret`; if tolerant, "" for one that cannot be right (`need`) and for a placeholder (`unfilled`)."""
        try:
            return self.secret(name)
        except ConfigurationError as error:
            if not self._tolerant:
                raise
            is_unset = isinstance(error, UnfilledError)
            self._note(unfilled if is_unset else need, error, "It counts as unset.", is_unset=is_unset)
            return ""

    def flag(self, name: str, *, default: bool = False, unfilled: str = "") -> bool:
        value = self.text(name, unfilled=unfilled).lower()
        if not value:
            return default
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise ConfigurationError(f"{name} must be 1 or 0; it is {value[:40]!r}.")

    def number(self, name: str, default: int, lowest: int, highest: int, *, must_be_filled: bool = False) -> int:
        value = self.text(name, must_be_filled=must_be_filled)
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

    def full_path(self, name: str, what: str) -> Path | None:
        """The path of `what`; None if it is unset. Never one that depends on where the server was started."""
        value = self.text(name)
        if value and _UNFILLED_IN_PATH.search(value):
            value = self._counts_as(name, value, "")
        return _full_path(name, value, what) if value else None

    def shell_path(self, name: str, what: str) -> Path | None:
        """As `full_path`; at a shell a relative path begins at the working directory, as a person there means it."""
        value = self.text(name)
        is_relative = value and not _UNFILLED_IN_PATH.search(value) and not _without_tilde(name, value).is_absolute()
        if not (self._at_shell and is_relative) or "\0" in value:
            return self.full_path(name, what)
        try:
            return Path(os.path.abspath(value))  # noqa: PTH100 - resolves no links
        except OSError:  # the working directory was deleted
            return self.full_path(name, what)

    def folders(self, name: str) -> tuple[Path, ...] | None:
        """The folders; None if the variable is unset. If tolerant, one that does not exist yet is kept."""
        value = self.text(name, must_be_filled=True)
        if not value:
            return None
        parts = [part.strip() for part in value.split(os.pathsep)]
        read = [self.read("files", partial(self._folder_in, name, part), None) for part in parts if part]
        return tuple(folder for folder in read if folder)

    def unknown(self) -> list[Fault]:
        """A fault for each variable that begins with KLING_ and that no setting has read."""
        return unknown_names(list(self._values), self._known)

    def _folder_in(self, name: str, part: str) -> Path:
        folder = _without_tilde(name, part)
        if folder.is_absolute() and _is_folder(folder):
            return folder
        if _UNFILLED_IN_PATH.search(part):
            raise _unfilled(name, part)
        rule = f"{name} must list existing folders by their full paths, separated by {os.pathsep!r}"
        if option := self._options.get(name):
            rule = f"{option} must be an existing folder"
        sentence = f"{rule}; {str(folder)[:200]!r} is not one."
        if not (self._tolerant and folder.is_absolute()):
            raise ConfigurationError(sentence)
        self.faults.append(fault("nothing", sentence, "Pictures there are refused while it is missing."))
        return folder

    def _value(self, name: str) -> str:
        self._known.add(name)
        return self._values.get(name, "")

    def _note(self, need: Need, error: ConfigurationError, meanwhile: str, *, is_unset: bool = False) -> None:
        noted = fault(need, error.message, meanwhile if need == "nothing" else "", is_unset=is_unset)
        if noted not in self.faults:  # a variable may be looked at twice
            self.faults.append(noted)

    def _counts_as(self, name: str, value: str, instead: str) -> str:
        error = _unfilled(name, value)
        if not self._tolerant:
            raise error
        self._note("nothing", error, f"It counts as {'on' if instead else 'unset'}.", is_unset=not instead)
        return instead


def _unfilled(name: str, value: str) -> UnfilledError:
    return UnfilledError(
        f"{name} holds the placeholder {value[:60]} instead of a value: your client did not fill it in. "
        "Set the actual value, or remove the variable."
    )


def _read_secret_file(name: str, file_name: str) -> str:
    path = _without_tilde(name, file_name)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SECRET_FILE_BYTES + 1)  # a file's stated size may be wrong, as for /dev/zero
        if len(data) > _MAX_SECRET_FILE_BYTES:
            raise ConfigurationError(f"{name} names a file that is too large to hold a key.")
        value = _decoded(data).strip("\r\n")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{name} names a file that cannot be read ({type(error).__name__}).") from None
    if not value.strip():
        raise ConfigurationError(f"{name} names a file that is empty.")
    return value


def _decoded(data: bytes) -> str:
    """Windows editors add a byte order mark, and PowerShell writes UTF-16."""
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _full_path(name: str, value: str, what: str) -> Path:
    path = _without_tilde(name, value)
    if "\0" in value or not path.is_absolute():
        raise ConfigurationError(f"{name} must be the full path of {what}; it is {str(path)[:60]!r}.")
    return path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long a name, or one with a zero
        return False


def _without_tilde(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"{name} begins with ~, but that home does not exist; give the full path.") from None
