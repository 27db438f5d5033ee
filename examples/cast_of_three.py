"""Three elements at once and a single wait for all of them, with few requests.

python examples/cast_of_three.py
"""

from __future__ import annotations

from contextlib import aclosing

import anyio

from kling_mcp import Clock, ElementDraft, Runtime, Settings

CAST = {
    "Mia": "Barista, short red hair, green apron",
    "Otto": "Grey cat with one white paw",
    "Kettle": "Dented copper kettle with a wooden handle",
}


def draft(name: str) -> ElementDraft:
    """An element from two pictures that Kling fetches by itself."""
    return ElementDraft(
        element_name=name,
        element_description=CAST[name],
        reference_type="image_refer",
        frontal_image=f"https://example.com/{name.lower()}-front.png",
        refer_images=(f"https://example.com/{name.lower()}-side.png",),
    )


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play the wait in virtual seconds."""
    async with aclosing(Runtime(Settings(sandbox=True), clock=clock)) as runtime:
        account = runtime.own_account()
        task_ids: list[str] = []

        async def create(name: str) -> None:
            creation = await account.creator.create(draft(name))
            print(f"Submitted {name}: task {creation.task.task_id}")
            task_ids.append(creation.task.task_id)

        async with anyio.create_task_group() as group:
            for name in CAST:
                group.start_soon(create, name)

        sender = account.client.sender
        before = sender.requests_sent
        snapshots = await account.element_tasks.poller.wait(task_ids, seconds=120)
        ready = {element.element_name for seen in snapshots.values() if seen.task for element in seen.task.elements}
        assert ready == set(CAST)
        print(f"Ready: {', '.join(sorted(ready))}; requests while waiting for all: {sender.requests_sent - before}")


if __name__ == "__main__":
    anyio.run(main)
