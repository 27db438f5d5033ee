"""An MCP server for Kling AI's Elements API, and the library below it.

The names here are the library's; they load on first use, so that importing the package is cheap.
None of them needs MCP. The server is `kling_mcp.server.build.build_server`, the simulator `kling_mcp.simulator`.

    runtime = Runtime(Settings.from_env())              # reads KLING_API_KEY and the like
    account = runtime.own_account()
    creation = await account.creator.create_and_wait(ElementDraft(...), wait_seconds=120)
    print(creation.task.element_ids)                    # text: some ids do not fit into a double

    request = await account.generator.prepare(VideoDraft(prompt="@Mia waves"), take=1)   # sends nothing
    print(request.prepared.estimate)                    # the price; nobody is asked, so ask before the next line
    clip = await account.generator.generate_and_wait(request, wait_seconds=600)
    print(clip.files)                                   # paths and links

    request = await account.voice_creator.prepare(VoiceDraft("Narrator", "https://..."))   # costs, too
    voice = await account.voice_creator.create_and_wait(request)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_mcp._version import __version__
    from kling_mcp.account import Account
    from kling_mcp.api.auth import ApiKey, KeyPair
    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import Element, ElementTask, Voice, VoiceTask
    from kling_mcp.api.sender import Sender
    from kling_mcp.billing.balance import Balance
    from kling_mcp.concurrency.clock import Clock, SystemClock
    from kling_mcp.elements.create import Creation
    from kling_mcp.elements.draft import ElementDraft
    from kling_mcp.errors import (
        AccountError,
        AmbiguousNameError,
        ApiError,
        AuthError,
        BusyError,
        CallbackError,
        ClockError,
        ConfigurationError,
        ConfirmationError,
        ConnectionFailedError,
        ContentError,
        InputError,
        KlingError,
        LimitError,
        LostReplyError,
        NameTakenError,
        NotFoundError,
        OverBudgetError,
        Problem,
        RateLimitError,
        RequestError,
        ResultError,
        ServerError,
        StalePlanError,
        StillSendingError,
        StorageError,
        TaskFailedError,
        UnexpectedReplyError,
        UnknownOutcomeError,
    )
    from kling_mcp.generation.draft import ImageDraft, VideoDraft
    from kling_mcp.generation.generator import Generation, GenerationRequest
    from kling_mcp.generation.prices import Estimate
    from kling_mcp.results.saver import SavedFile
    from kling_mcp.runtime import Runtime
    from kling_mcp.settings import Settings
    from kling_mcp.tasks.rounds import TaskSnapshot
    from kling_mcp.voices.create import VoiceCreation, VoiceRequest
    from kling_mcp.voices.preflight import VoiceDraft
else:  # kept from the type checker, which would take it as leave to ask for any name

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{home}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "Account",
    "AccountError",
    "AmbiguousNameError",
    "ApiError",
    "ApiKey",
    "AuthError",
    "Balance",
    "BusyError",
    "CallbackError",
    "Clock",
    "ClockError",
    "ConfigurationError",
    "ConfirmationError",
    "ConnectionFailedError",
    "ContentError",
    "Creation",
    "Element",
    "ElementDraft",
    "ElementTask",
    "Estimate",
    "Generation",
    "GenerationRequest",
    "ImageDraft",
    "InputError",
    "KeyPair",
    "KlingClient",
    "KlingError",
    "LimitError",
    "LostReplyError",
    "NameTakenError",
    "NotFoundError",
    "OverBudgetError",
    "Problem",
    "RateLimitError",
    "RequestError",
    "ResultError",
    "Runtime",
    "SavedFile",
    "Sender",
    "ServerError",
    "Settings",
    "StalePlanError",
    "StillSendingError",
    "StorageError",
    "SystemClock",
    "TaskFailedError",
    "TaskSnapshot",
    "UnexpectedReplyError",
    "UnknownOutcomeError",
    "VideoDraft",
    "Voice",
    "VoiceCreation",
    "VoiceDraft",
    "VoiceRequest",
    "VoiceTask",
    "__version__",
]

# Where a name lives; errors live in `errors`.
_HOMES = dict.fromkeys((name for name in __all__ if name.endswith("Error") or name == "Problem"), "errors") | {
    "Account": "account",
    "ApiKey": "api.auth",
    "Balance": "billing.balance",
    "Clock": "concurrency.clock",
    "Creation": "elements.create",
    "Element": "api.models",
    "ElementDraft": "elements.draft",
    "ElementTask": "api.models",
    "Estimate": "generation.prices",
    "Generation": "generation.generator",
    "GenerationRequest": "generation.generator",
    "ImageDraft": "generation.draft",
    "KeyPair": "api.auth",
    "KlingClient": "api.client",
    "Runtime": "runtime",
    "SavedFile": "results.saver",
    "Sender": "api.sender",
    "Settings": "settings",
    "SystemClock": "concurrency.clock",
    "TaskSnapshot": "tasks.rounds",
    "VideoDraft": "generation.draft",
    "Voice": "api.models",
    "VoiceCreation": "voices.create",
    "VoiceDraft": "voices.preflight",
    "VoiceRequest": "voices.create",
    "VoiceTask": "api.models",
    "__version__": "_version",
}
