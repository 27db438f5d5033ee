"""The library without MCP: create an element from two pictures, wait for it, read its id.

    python examples/create_and_wait.py

On the built-in simulator. For Kling itself, take `Settings.from_env()` and set KLING_API_KEY.
"""

from __future__ import annotations

from contextlib import aclosing
from importlib.resources import as_file, files

import anyio

from kling_mcp import Clock, ElementDraft, Runtime, Settings

PICTURES = files("kling_mcp") / "demo" / "pictures"


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play the wait in virtual seconds."""
    with as_file(PICTURES) as folder:
        settings = Settings(sandbox=True, media_dirs=(folder,))
        async with aclosing(Runtime(settings, clock=clock)) as runtime:
            account = runtime.own_account()
            draft = ElementDraft(
                element_name="Pip",
                element_description="A small round teal robot with coral ears",
                reference_type="image_refer",
                frontal_image=str(folder / "pip-front.jpg"),
                refer_images=(str(folder / "pip-side.jpg"),),
                tags=("Character",),
            )
            creation = await account.creator.create(draft, allow_duplicate_name=False, timeout=30)
            task_id = creation.task.task_id
            print(f"Submitted: task {task_id} is {creation.task.task_status}")

            seen = (await account.element_tasks.poller.wait([task_id], seconds=60))[task_id]
            assert seen.task is not None, seen.error or seen.last_poll_error
            assert seen.task.task_status == "succeed"

            [element] = seen.task.elements
            assert isinstance(element.element_id, str)  # always text: some ids do not fit into a double
            print(f"Ready: {element.element_name} has element_id {element.element_id}")


if __name__ == "__main__":
    anyio.run(main)
