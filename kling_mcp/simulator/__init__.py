"""A stateful, strict simulator of Kling's API (elements, voices, videos, pictures), for the sandbox and for tests.

An independent reading of docs/kling-api.md: it imports nothing else from this package, so that it cannot share its
mistakes. Public names load on first use, so importing the package is cheap.

    world = World(clock, api_keys=["key"])           # accounts, tasks, elements, voices, generations, packs
    faults = Faults()                                # faults.lose_reply_after_create()
    httpx.AsyncClient(transport=SimulatorTransport(world, faults))   # in process
    serve(world, faults, port)                       # over TCP, with control routes under /_simulator/

What it does that a simple fake would not, with fact ids:

- Ids (`id-as-string`): numbers of 15 or 18 digits, or strings; task ids of 18 or 19 digits, in no order.
- Lists: running and failed tasks are rows (`list-is-tasks`), deleted elements stay (`list-shows-deleted`), any
  order (`list-order-unknown`), no total (`list-no-total`), presets with empty task fields (`presets-thin`).
- Records: `reference_type` null (`reference-type-null`), empty or missing `task_info` and `task_result`
  (`empty-while-running`), one flat result (`flat-result`), other status words (`terminal-succeed`,
  `status-unknown`), tags in three forms, unknown fields, deductions as numbers.
- Envelope: code 200 (`envelope-code-200`), refusals on HTTP 200 (`envelope-http`), `data` absent or null
  (`envelope-no-data`), bodies that are not JSON (`envelope-not-json`).
- Deletion: with or without `data` (`delete-reply`, `delete-has-no-data`), at once (`delete-synchronous`), never
  twice (`msg-deleted-twice`), on two paths (`delete-two-paths`).
- Lookup by external id may not work (`query-external-id`), a used one is refused (`msg-external-id-used`) or not.
- Voices show or never do (`video-voice-unreliable`), foreign ids are refused (`voice-catalogues`).
- Strict reading: unknown fields, unknown query parameters, `data:` prefixes (`base64-bare`), pictures that do not
  decode or break `image-formats`, `image-bytes`, `image-pixels`, `image-ratio`.

- Generation: both standards (`gen-two-standards`), one namespace of external ids (`gen-external-id`), `/tasks` for
  tasks of every product (`gen-lookup`), older tasks on their own route alone (`gen-route-bound`).
- Unknown, misspelt and misplaced fields and handles that match nothing are ignored and billed
  (`gen-unknown-fields-billed`): `world.ignored_fields` has them, so that a test can demand that there are none.
- Money: `World(packs=[Pack("video", units, concurrency)])`, prices (`price-table`), deductions when a task ends
  (`gen-billed-at-end`), the ledger (`ledger-package`), slots (`gen-slots`), packs that end (`costs-pack`); with
  `World(cash=dollars)` money pays where no pack does (`ledger-cash-fields`). Packs are told once a second (`costs`).
- Results: small clips and pictures that play, below the address that the client called; their links end after 30
  days (`gen-links`). Faults whose route is a file spoil downloads.

`Quirks` has the switches, `Faults` the failures.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_mcp.simulator.app import build_app
    from kling_mcp.simulator.credentials import SANDBOX_API_KEY
    from kling_mcp.simulator.durations import brisk_durations
    from kling_mcp.simulator.faults import Faults
    from kling_mcp.simulator.generation.ledger import Pack
    from kling_mcp.simulator.quirks import Quirks
    from kling_mcp.simulator.sandbox import sandbox_transports
    from kling_mcp.simulator.serving import serve, served_in_background
    from kling_mcp.simulator.transport import SimulatorTransport, WorldFileTransport
    from kling_mcp.simulator.world import World
    from kling_mcp.simulator.world_file import WorldFile
else:  # kept from the type checker, which would take it as leave to ask for any name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "SANDBOX_API_KEY",
    "Faults",
    "Pack",
    "Quirks",
    "SimulatorTransport",
    "World",
    "WorldFile",
    "WorldFileTransport",
    "brisk_durations",
    "build_app",
    "sandbox_transports",
    "serve",
    "served_in_background",
]

_HOMES = {
    "SANDBOX_API_KEY": "credentials",
    "Faults": "faults",
    "Pack": "generation.ledger",
    "Quirks": "quirks",
    "SimulatorTransport": "transport",
    "World": "world",
    "WorldFile": "world_file",
    "WorldFileTransport": "transport",
    "sandbox_transports": "sandbox",
    "brisk_durations": "durations",
    "build_app": "app",
    "serve": "serving",
    "served_in_background": "serving",
}
