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
from kling_mcp.api.diagnostics import check
from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.store.report import report_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kling_mcp.settings import Settings, Transport

_CREDENTIALS = {"api_key": "an API key", "key_pair": "an access key and a secret key", "sandbox": "no credentials"}
_PACKAGES = ("mcp", "httpx", "pydantic", "anyio", "PyJWT")


@dataclass(slots=True)
class Found:
    """Sentences on what was looked at, what is wrong, and what a person should know; and figures for programs."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)


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
        ConfigurationError: without `variables`: wrong settings, or no credentials.
    """
    found = Found()
    try:
        if wrong := _wrong_values(settings, found):
            raise wrong
        look = _look_at_hosting if transport == "http" else _look_at_account
        anyio.run(look, settings, host, found)
    except ConfigurationError as error:
        if variables is None:
            raise
        found.problems.append(error.for_setup())
    if variables is None:
        _tell(found, say)
    else:
        say(json.dumps(_report(settings, transport, variables, found), ensure_ascii=False, indent=2))
    return 1 if found.problems else 0


def _wrong_values(settings: Settings, found: Found) -> ConfigurationError | None:
    """The error for all values that cannot be right, if there are any. Names that no setting has are told."""
    for fault in settings.faults:
        if fault.is_name:
            (found.problems if fault.is_misspelt else found.notes).append(fault.message)
    wrong = list(dict.fromkeys(fault.message for fault in settings.faults if not fault.is_name))
    if len(wrong) > 1:
        listed = "\n- ".join(["Several settings are wrong:", *wrong])
        return ConfigurationError(f"{listed}\nCorrect these variables, or remove them.", topic="settings")
    return ConfigurationError(*wrong, topic="settings") if wrong else None


async def _look_at_account(settings: Settings, _: str, found: Found) -> None:
    """Ask Kling for a page of the library, and open the state."""
    runtime = Runtime(settings, keeps_sandbox=True)
    try:
        report = await check(runtime.own_account().client, runtime.clock)
        state = await runtime.state_report()
    finally:
        await runtime.aclose()
    where = "the built-in simulator" if settings.sandbox else f"{settings.base_url} (region {settings.region})"
    found.lines.append(f"Asked {where} with {_CREDENTIALS[settings.credential_kind]}.")
    found.problems += [*report.problems, *filter(None, [state.problem])]
    found.figures = {"clock_skew_seconds": report.clock_skew_seconds, "elements": report.elements}
    if not found.problems:
        more = " on the first page; there are more" if report.is_full else ""
        found.lines.append("Credentials, region, clock and network are fine.")
        found.lines.append(f"Elements in your library: {report.elements}{more}.")
    found.notes += filter(None, [state.note])


async def _look_at_hosting(settings: Settings, host: str, found: Found) -> None:
    """Make what `serve --transport http` makes, up to the port."""
    from kling_mcp.server.http.app import build_http_app  # noqa: PLC0415 - half a second
    from kling_mcp.server.http.before import doubts, require_means  # noqa: PLC0415 - the same

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


def _tell(found: Found, say: Callable[[str], None]) -> None:
    problems = [f"Problem: {problem}" for problem in found.problems]
    for line in (*found.lines, *problems, *([] if problems else found.notes)):
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
