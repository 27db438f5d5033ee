"""An episode from its sheet, from nothing to files: plan, see the price, apply, and plan again.

    python examples/episode_from_a_sheet.py

The sheet is examples/episode/episode.yaml. A shell does the same with `kling-mcp production`, and an agent with the
same two tools.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from kling_mcp import Clock, Runtime, Settings
from kling_mcp.server.build import build_server

EPISODE = Path(__file__).parent / "episode"


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What the tool answers."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return dict(result.structured_content or {})


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play the wait in virtual seconds."""
    with tempfile.TemporaryDirectory() as folder:
        sheet, results = Path(folder, "episode", "episode.yaml"), Path(folder, "results")
        shutil.copytree(EPISODE, sheet.parent)  # the lock file appears beside the sheet
        settings = Settings(sandbox=True, media_dirs=(sheet.parent,), output_dir=results)
        async with Client(build_server(settings, Runtime(settings, clock=clock))) as client:
            plan = await call(client, "plan_production", path=str(sheet))
            print(f"To create: {[entry['name'] for entry in plan['create']]}; price: {plan['price']}")
            assert [shot["shot"] for shot in plan["shots"]["blocked"]] == ["s02-arrival", "s03-wave"]

            # An agent tells a person the price first; `max_units` says that they agreed.
            most = -(-float(plan["units"]["video"]) // 1)
            wanted = {"plan_id": plan["plan_id"], "max_units": int(most), "wait_seconds": 600}
            made = await call(client, "apply_production", **wanted)
            print(f"Ready: {made['ready']} of {len(made['entries'])}")
            assert made["ready"] == 4

            again = await call(client, "plan_production", path=str(sheet))
            assert not again["create"] + again["shots"]["render"] + again["shots"]["blocked"]
        for shot in ("s01-harbour", "s02-arrival", "s03-wave"):
            clip = anyio.Path(results, "episode", f"{shot}.mp4")
            assert (await clip.stat()).st_size > 0
            print(f"Saved {clip.name}")
        assert await anyio.Path(sheet).with_suffix(".lock.json").is_file()


if __name__ == "__main__":
    anyio.run(main)
