"""The library without MCP: an element, and a clip in which its name stands for it; paid once.

python examples/one_clip.py
"""

from __future__ import annotations

import tempfile
from contextlib import aclosing
from importlib.resources import as_file, files
from pathlib import Path

import anyio

from kling_mcp import Account, Clock, ElementDraft, Runtime, Settings, VideoDraft

PICTURES = files("kling_mcp") / "demo" / "pictures"
WISH = VideoDraft(prompt="@Pip waves at the camera", duration=5, aspect_ratio="9:16", audio="native")


async def create_pip(account: Account, folder: Path) -> None:
    """The element that the prompt names."""
    draft = ElementDraft(
        element_name="Pip",
        element_description="A small round teal robot with coral ears",
        reference_type="image_refer",
        frontal_image=str(folder / "pip-front.jpg"),
        refer_images=(str(folder / "pip-side.jpg"),),
    )
    await account.creator.create_and_wait(draft, wait_seconds=120)


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play the wait in virtual seconds."""
    with as_file(PICTURES) as pictures, tempfile.TemporaryDirectory() as folder:
        settings = Settings(sandbox=True, media_dirs=(pictures,), output_dir=Path(folder))
        async with aclosing(Runtime(settings, clock=clock)) as runtime:
            account = runtime.own_account()
            await create_pip(account, pictures)
            request = await account.generator.prepare(WISH)
            print(f"Price: {request.prepared.estimate}")
            made = await account.generator.generate_and_wait(request, wait_seconds=600)
            [clip] = made.files
            print(f"Saved {Path(clip.path).name} ({clip.bytes} bytes); Kling took {made.task.units_deducted} units")
            assert (await anyio.Path(clip.path).stat()).st_size == clip.bytes > 0

            again = await account.generator.generate_and_wait(request, wait_seconds=600)
            print(f"The same request again: {again.outcome}, the same file, nothing paid")
            assert (again.outcome, again.files) == ("already_submitted", made.files)


if __name__ == "__main__":
    anyio.run(main)
