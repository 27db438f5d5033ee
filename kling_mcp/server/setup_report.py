"""What is right and wrong with a setup: `check_setup` and `kling-mcp check` say the same, because both ask here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import to_thread

from kling_mcp.api.diagnostics import check
from kling_mcp.errors import ConfigurationError
from kling_mcp.sanitize import quote
from kling_mcp.settings import HOSTS
from kling_mcp.store.report import StateReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.account import Account
    from kling_mcp.runtime import Runtime

_MAX_PATH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What was found.

    Attributes:
        elements, is_full: as in the report of `api.diagnostics`.
        problems: what must be changed, in sentences; without any, everything works.
        notes: what a person should know.
        refusal: why Kling could not even be asked; then it is the first of the problems.
        has_faults: whether some of it is about the variables.
    """

    region: str
    base_url: str
    credential: str
    clock_skew_seconds: float = 0.0
    elements: int = 0
    is_full: bool = False
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    refusal: ConfigurationError | None = None
    has_faults: bool

    @property
    def ok(self) -> bool:
        """Whether everything works."""
        return not self.problems


async def look_at_setup(runtime: Runtime, account_of: Callable[[], Account]) -> Setup:
    """Look at the settings, ask Kling for a page of the library, open the state, and try folders and files.

    Args:
        account_of: gives the account; what it raises is a problem.
    """
    wrong, known = fault_sentences(runtime)
    settings = runtime.settings
    try:
        account = account_of()
    except ConfigurationError as error:
        return Setup(
            region=settings.region,
            base_url=settings.base_url,
            credential="none",
            problems=(error.for_setup(), *(sentence for sentence in wrong if sentence not in error.message)),
            notes=tuple(sentence for sentence in known if sentence not in error.message),
            refusal=error,
            has_faults=bool(wrong or known),
        )
    client = account.client
    found = await check(client, runtime.clock)
    # What callers over http bring must be good for Kling before anything is opened for them.
    state = await runtime.state_report() if found.ok or runtime.transport == "stdio" else StateReport()
    trouble = [state.problem] if state.trouble and state.trouble.message not in wrong else []
    if runtime.settings.sandbox and not found.ok:
        trouble = []  # the simulated Kling lies in the same folder, and nothing but that can be its trouble
    unsaved = await unsavable(runtime)
    wrong += await _audit_log(runtime)
    is_named = bool(runtime.settings.output_dir)  # the usual folder is nobody's mistake
    return Setup(
        # Over http a caller may choose another region than the server's own.
        region=next((name for name, url in HOSTS.items() if url == client.sender.base_url), settings.region),
        base_url=client.sender.base_url,
        credential=client.credential_kind,
        clock_skew_seconds=found.clock_skew_seconds,
        elements=found.elements,
        is_full=found.is_full,
        problems=(*found.problems, *trouble, *(unsaved if is_named else []), *wrong),
        notes=(*known, *([] if is_named else unsaved), *filter(None, [state.note])),
        has_faults=bool(wrong or known),
    )


def fault_sentences(runtime: Runtime) -> tuple[list[str], list[str]]:
    """What is wrong with the variables, and what is only worth knowing, in sentences.

    Over http these are the operator's, whose log has them, and no business of callers.
    """
    if runtime.transport == "http":
        return [], []
    faults = runtime.settings.faults
    wrong = [fault.sentence for fault in faults if not fault.is_harmless]
    known = [fault.sentence for fault in faults if fault.is_harmless]
    missing = [runtime.why_no_place] if runtime.why_no_place else []
    return [*dict.fromkeys([*wrong, *missing])], [*dict.fromkeys(known)]


async def _audit_log(runtime: Runtime) -> list[str]:
    """What is wrong with the audit log; as for `unsavable`, callers over http are not told."""
    if runtime.audit is None or runtime.transport == "http":
        return []
    try:
        await to_thread.run_sync(runtime.audit.open)
    except OSError as error:
        path, reason = quote(str(runtime.audit.path), _MAX_PATH), (error.strerror or type(error).__name__).lower()
        return [f"KLING_MCP_AUDIT_LOG: {path} cannot be made or written to ({reason}), so nothing may be changed."]
    return []


async def unsavable(runtime: Runtime) -> list[str]:
    """Why results could not be saved in their folder, as one sentence; [] if they could, or are not meant to be.

    Over http the folder was looked at before callers came, and is no business of theirs.
    """
    settings = runtime.settings
    folder = settings.output_folder(runtime.transport)
    if runtime.transport == "http" or settings.read_only or folder is None:
        return []
    from kling_mcp.server.folder_probe import why_unusable  # noqa: PLC0415 - most servers are asked for nothing of this

    reason = await to_thread.run_sync(why_unusable, folder)
    if not reason:
        return []
    start = "KLING_MCP_OUTPUT_DIR: " if settings.output_dir else "Results would not be saved: "
    end = ", so results would not be saved." if settings.output_dir else "; set KLING_MCP_OUTPUT_DIR to one that can."
    return [f"{start}{quote(str(folder), _MAX_PATH)} cannot be made or written to ({reason}){end}"]
