"""Never twice, never lost: the reply is lost, the program restarts, the call is repeated: one element.

python examples/lost_reply.py
"""

from __future__ import annotations

import tempfile
from contextlib import aclosing
from pathlib import Path

import anyio

from kling_mcp import Clock, Creation, ElementDraft, Runtime, Settings, SystemClock
from kling_mcp.simulator import Faults, SimulatorTransport, World

MIA = ElementDraft(
    element_name="Mia",
    element_description="Barista, short red hair, green apron",
    reference_type="image_refer",
    frontal_image="https://example.com/mia-front.png",
    refer_images=("https://example.com/mia-side.png",),
)


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play it in virtual seconds."""
    clock = clock or SystemClock()
    kling, faults = World(clock.wall, api_keys=["key"]), Faults()
    with tempfile.TemporaryDirectory() as state:
        settings = Settings(api_key="key", state_dir=Path(state))

        async def create_in_a_new_process() -> Creation:
            runtime = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(kling, faults))
            async with aclosing(runtime):
                return await runtime.own_account().creator.create(MIA)

        faults.lose_reply_after_create()  # Kling makes the element, and we hear nothing of it
        first = await create_in_a_new_process()
        print(f"The reply was lost; the task was looked for and found: {first.task.task_id} ({first.outcome})")
        assert first.outcome == "recovered"

        again = await create_in_a_new_process()
        print(f"The same call after a restart answers the same task: {again.task.task_id} ({again.outcome})")
        assert again.outcome == "already_submitted"
        assert again.task.task_id == first.task.task_id

    creations = [request for request in kling.requests if request.committed]
    print(f"Creations that Kling accepted: {len(creations)}")
    assert len(creations) == 1


if __name__ == "__main__":
    anyio.run(main)
