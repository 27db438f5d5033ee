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
            creation = await account.creator.create_and_wait(draft, wait_seconds=120)
            task = creation.task
            print(f"Task {task.task_id} ({creation.outcome}) ended as {task.task_status}")
            assert task.is_final

            [element] = task.elements
            assert isinstance(element.element_id, str)  # always text: some ids do not fit into a double
            print(f"Ready: {element.element_name} has element_id {element.element_id}")

            again = await account.creator.create_and_wait(draft, wait_seconds=120)
            print(f"The same call again: {again.outcome}, the same element")
            assert (again.outcome, again.task.element_ids) == ("already_submitted", task.element_ids)


if __name__ == "__main__":
    anyio.run(main)
