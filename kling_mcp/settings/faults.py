"""What is wrong with the settings while the server runs anyway, and the names that no setting has.

Over stdio no operator watches the start: a client shows only that the server is gone. So each fault waits for the
call that needs the setting, and `check_setup` lists all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kling_mcp.sanitize import clean

if TYPE_CHECKING:
    from collections.abc import Collection

# What a faulty setting stops: `credential` is needed unless another credential is complete, `kling` is every request,
# `state` is the journal, `changing` is to create and to delete, `creating` is to create, `spending` is to pay, `files`
# are local pictures, `saving` are the files of results.
Need = Literal["credential", "kling", "state", "changing", "creating", "spending", "files", "saving", "nothing"]

_MAX_CHARACTERS = 400
_MAX_NAME_CHARACTERS = 60
_MAX_UNKNOWN_NAMES = 10
_SIMILAR = 0.6


@dataclass(frozen=True, slots=True)
class Fault:
    """One message that names the variable, and what cannot be done because of it.

    `meanwhile` says how a tolerant server goes on. `is_name`: no value is wrong, but no setting has this name;
    `is_misspelt`: and one has a name much like it. `is_unset`: a placeholder that counts as unset.
    """

    need: Need
    message: str
    meanwhile: str = ""
    is_name: bool = False
    is_misspelt: bool = False
    is_unset: bool = False

    @property
    def sentence(self) -> str:
        """What is wrong, and how the server goes on."""
        return f"{self.message} {self.meanwhile}".rstrip()

    @property
    def is_harmless(self) -> bool:
        """Whether the setup works as if the variable were not there: nothing of ours, or nothing filled in."""
        return self.is_unset or (self.is_name and not self.is_misspelt)


def fault(need: Need, message: str, meanwhile: str = "", *, is_unset: bool = False) -> Fault:
    """The fault with a message that is safe to show: values of variables may hold any bytes."""
    return Fault(need, clean(message, _MAX_CHARACTERS), meanwhile, is_unset=is_unset)


def unknown_names(names: Collection[str], known: Collection[str]) -> list[Fault]:
    """A fault for each name that begins like ours but is no setting, with the nearest one that is."""
    unknown = sorted(name for name in names if name.upper().startswith("KLING_") and name not in known)
    if not unknown:
        return []
    import difflib  # noqa: PLC0415 - a misspelled name is rare, and every chat starts a server

    # Without what all of them begin with, which would make any two of them similar.
    by_rest = {_without_prefix(name): name for name in known}
    found = []
    for name in unknown[:_MAX_UNKNOWN_NAMES]:
        rest = _without_prefix(name.upper()[:_MAX_NAME_CHARACTERS])
        near = difflib.get_close_matches(rest, by_rest, 1, _SIMILAR)
        hint = f"; did you mean {by_rest[near[0]]}?" if near else "."
        message = f"{clean(name, _MAX_NAME_CHARACTERS)} is not a setting of kling-mcp{hint}"
        found.append(Fault("nothing", message, is_name=True, is_misspelt=bool(near)))
    if (more := len(unknown) - _MAX_UNKNOWN_NAMES) > 0:
        message = f"{more} more variables that begin with KLING_ are not settings of kling-mcp."
        found.append(Fault("nothing", message, is_name=True))
    return found


def _without_prefix(name: str) -> str:
    return name.removeprefix("KLING_").removeprefix("MCP_")
