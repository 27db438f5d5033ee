"""Which settings are given, for a configuration that starts the server elsewhere. It shows no secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kling_mcp.settings import Settings
from kling_mcp.settings.values import BLANK

CREDENTIALS = ("KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY")
_FILE = "_FILE"
# What counts over http alone, where no client starts the server.
_OVER_HTTP = (
    "KLING_MCP_ALLOWED_",
    "KLING_MCP_HTTP_",
    "KLING_MCP_MAX_REQUEST_",
    "KLING_MCP_OAUTH_",
    "KLING_MCP_PUBLIC_",
    "KLING_MCP_SHARED_",
    "KLING_WEBHOOK_",
)
_WITH_PASSWORD = re.compile(r"://[^/?#]*@")


@dataclass(frozen=True, slots=True)
class GivenSettings:
    """The variables that are set.

    Attributes:
        values: those that hold no secret, by name; the `_FILE` form of a secret is one of them.
        secrets: the names of those that do, or may.
        needs_key: whether Kling is to be used and no credential is set.
    """

    values: Mapping[str, str]
    secrets: tuple[str, ...]
    needs_key: bool


def given_settings(environ: Mapping[str, str]) -> GivenSettings:
    """What is set of the variables that the server reads over stdio, whether or not the values are right."""
    watched = _Watched(environ)
    settings = Settings.from_env(watched, tolerant=True)
    secret = {name.removesuffix(_FILE) for name in watched.asked if name.endswith(_FILE)}
    given = {name: environ[name] for name in sorted(watched.asked) if _counts(name, environ.get(name, ""))}
    hidden = tuple(name for name, value in given.items() if name in secret or _may_hold_a_secret(name, value))
    return GivenSettings(
        {name: _from_anywhere(name, value) for name, value in given.items() if name not in hidden},
        hidden,
        settings.credential_kind == "none" and not {name.removesuffix(_FILE) for name in given} & set(CREDENTIALS),
    )


def _counts(name: str, value: str) -> bool:
    is_set = bool(value.strip()) and not BLANK.fullmatch(value.strip())
    return is_set and not name.startswith(_OVER_HTTP)


def _may_hold_a_secret(name: str, value: str) -> bool:
    """An address with a password, or a key where the path of its file belongs."""
    return bool(_WITH_PASSWORD.search(value)) or (name.endswith(_FILE) and not os.path.exists(_full_path(value)))  # noqa: PTH110 - never raises


def _from_anywhere(name: str, value: str) -> str:
    """A client starts the server in a folder of its own, where a relative path leads nowhere."""
    return _full_path(value) if name.endswith(_FILE) else value


def _full_path(value: str) -> str:
    return os.path.abspath(os.path.expanduser(value.strip()))  # noqa: PTH100, PTH111 - a home may be missing


class _Watched(Mapping[str, str]):
    """An environment that remembers which names it was asked for: they are the settings that there are."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.asked: set[str] = set()
        self._values = values

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
