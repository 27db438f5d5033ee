"""`kling-mcp check`: whether a server with these settings would work, in sentences or as one JSON object."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING

import anyio

from kling_mcp._version import __version__
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.setup_report import look_at_setup
from kling_mcp.server.tool_selection import tolerating_wrong_names
from kling_mcp.store.report import report_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kling_mcp.settings import Settings, Transport

_CREDENTIALS = {"api_key": "an API key", "key_pair": "an access key and a secret key", "sandbox": "no credentials"}
_PACKAGES = ("mcp", "httpx", "pydantic", "anyio", "PyJWT")


@dataclass(slots=True)
class Found:
    """Sentences on what was looked at, what is wrong, and what a person should know; and figures for programs.

    `refusal` is why nothing could be looked at; then it is the first of the problems.
    """

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    refusal: ConfigurationError | None = None

    def refused(self, error: ConfigurationError) -> None:
        """Nothing can be looked at because of this."""
        self.refusal = error
        self.problems.insert(0, error.for_setup())


def run_check(
    settings: Settings,
    *,
    transport: Transport,
    host: str,
    variables: Mapping[str, str] | None,
    say: Callable[[str], None],
) -> int:
    """Look, and say what was found; the exit code.

    Args:
        settings: read tolerantly, so that all that is wrong is in their `faults`.
        variables: the environment, for one JSON object; None for sentences.

    Raises:
        ConfigurationError: without `variables`: nothing can be looked at, as without credentials; it lists everything.
    """
    found = Found()
    look = _look_at_hosting if transport == "http" else _look_at_account
    try:
        anyio.run(look, tolerating_wrong_names(settings), host, found)
    except ConfigurationError as error:  # what is used by all calls cannot be made
        found.refused(error)
    if variables is not None:
        say(json.dumps(_report(settings, transport, variables, found), ensure_ascii=False, indent=2))
    elif found.refusal:
        raise _everything(found.refusal, found)
    else:
        _tell(found, say)
    return 1 if found.problems else 0


def _everything(refusal: ConfigurationError, found: Found) -> ConfigurationError:
    """The error for a person, with whatever else is known to be wrong."""
    others = [*found.problems[1:], *found.notes]
    if not others:
        return refusal
    first = " ".join(filter(None, [refusal.message, refusal.advice if refusal.kind == "missing_credentials" else ""]))
    listed = "\n- ".join(["Several settings are wrong:", first, *others])
    return ConfigurationError(f"{listed}\nCorrect these variables, or remove them.", topic="settings")


async def _look_at_account(settings: Settings, _: str, found: Found) -> None:
    """What a chat's `check_setup` looks at."""
    runtime = Runtime(settings, keeps_sandbox=True)
    try:
        setup = await look_at_setup(runtime, runtime.own_account)
    finally:
        await runtime.aclose()
    found.problems += setup.problems
    found.notes += setup.notes
    found.refusal = setup.refusal
    if setup.refusal:
        return
    where = "the built-in simulator" if settings.sandbox else f"{setup.base_url} (region {setup.region})"
    found.lines.append(f"Asked {where} with {_CREDENTIALS[setup.credential]}.")
    found.figures = {
        "base_url": setup.base_url,
        "clock_skew_seconds": setup.clock_skew_seconds,
        "elements": setup.elements,
    }
    if setup.ok:
        more = " on the first page; there are more" if setup.is_full else ""
        found.lines.append("Credentials, region, clock and network are fine.")
        found.lines.append(f"Elements in your library: {setup.elements}{more}.")


async def _look_at_hosting(settings: Settings, host: str, found: Found) -> None:
    """Make what `serve --transport http` makes, up to the port; for it every wrong value is an error."""
    from kling_mcp.server.http.app import build_http_app  # noqa: PLC0415 - half a second
    from kling_mcp.server.http.before import doubts, require_means  # noqa: PLC0415 - the same

    if _has_wrong_values(settings, found):
        return
    runtime = Runtime(settings, transport="http")
    try:
        build_http_app(runtime, host)
        require_means(runtime)
        state = await report_on(runtime.store, runtime.state_location)
    finally:
        await runtime.aclose()
    hosting = settings.hosting
    sign_in = "with a token" if hosting.token else "with OAuth" if hosting.oauth else "not at all (only this computer)"
    own = settings.sandbox or settings.shared_account
    account = "share this server's account" if own else "bring their own Kling credentials"
    found.lines.append(f"Callers over http sign in {sign_in}, and {account}.")
    found.problems += filter(None, [state.problem])
    if not found.problems:
        found.lines.append(f"The settings for http are fine. The state is kept in {runtime.state_location}.")
    found.notes += [*doubts(settings), *filter(None, [state.note])]


def _has_wrong_values(settings: Settings, found: Found) -> bool:
    """Whether the server would refuse to start; a name that no setting has is only told."""
    for fault in settings.faults:
        if fault.is_name:
            (found.problems if fault.is_misspelt else found.notes).append(fault.message)
    first, *others = [*dict.fromkeys(fault.message for fault in settings.faults if not fault.is_name)] or [""]
    if first:
        found.problems += others
        found.refused(ConfigurationError(first, topic="settings"))
    return bool(first)


def _tell(found: Found, say: Callable[[str], None]) -> None:
    for line in (*found.lines, *(f"Problem: {problem}" for problem in found.problems), *found.notes):
        say(line)


def _report(settings: Settings, transport: Transport, variables: Mapping[str, str], found: Found) -> dict[str, object]:
    """What a report of a bug needs: names of variables without their values, and no path."""
    return {
        "ok": not found.problems,
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{sys.platform} {platform.machine()}",
        "packages": {name: _version_of(name) for name in _PACKAGES},
        "transport": transport,
        "variables": sorted(name for name in variables if name.startswith("KLING_")),
        "region": settings.region,
        "base_url": settings.base_url,
        "credential": settings.credential_kind,
        **found.figures,
        "problems": found.problems,
        "notes": found.notes,
    }


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # in a bundle without the records of its packages
        return ""
