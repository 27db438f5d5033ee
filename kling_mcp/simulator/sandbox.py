"""The sandbox: a Kling for a person who looks on, in this process alone or kept in a folder."""

from collections.abc import Callable
from pathlib import Path

from kling_mcp.simulator.durations import brisk_durations
from kling_mcp.simulator.quirks import Quirks
from kling_mcp.simulator.transport import SimulatorTransport, Unusable, WorldFileTransport
from kling_mcp.simulator.world import World
from kling_mcp.simulator.world_file import WorldFile

FILE_NAME = "kling.sqlite3"


def sandbox_transports(
    clock: Callable[[], float], folder: Path | None, unusable: Unusable | None = None
) -> Callable[[], SimulatorTransport | WorldFileTransport]:
    """Makes connections to one simulated Kling, for the API and for files; one in `folder` outlives this process.

    Every API key has an account of its own. `unusable` makes the error for a folder that cannot be used, see
    `WorldFileTransport`.
    """
    if folder is None:
        in_memory = World(clock, any_api_key=True, durations=brisk_durations)
        return lambda: SimulatorTransport(in_memory)
    # Of pictures that were sent, the file holds no bytes to show.
    world = World(clock, any_api_key=True, durations=brisk_durations, quirks=Quirks(pictures="links"))
    file = WorldFile(world, folder / FILE_NAME)
    return lambda: WorldFileTransport(world, file, unusable)
