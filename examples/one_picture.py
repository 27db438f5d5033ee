"""The library without MCP: one picture, its price first, then the file.

    python examples/one_picture.py

On the built-in simulator. For Kling itself, take `Settings.from_env()` and set KLING_API_KEY.
"""

from __future__ import annotations

import tempfile
from contextlib import aclosing
from pathlib import Path

import anyio

from kling_mcp import Clock, ImageDraft, Runtime, Settings

MOST_UNITS = 10


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play the wait in virtual seconds."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(sandbox=True, output_dir=Path(folder))
        async with aclosing(Runtime(settings, clock=clock)) as runtime:
            generator = runtime.own_account().generator
            draft = ImageDraft(prompt="A lighthouse in a storm, oil on canvas", aspect_ratio="3:2")
            request = await generator.prepare(draft, save_as="lighthouse")
            price = request.prepared.estimate
            print(f"Price, before anything is sent: {price}")
            assert price.high <= MOST_UNITS  # the library asks no person; this line is where a program decides

            made = await generator.generate_and_wait(request, wait_seconds=120)
            [file] = made.files
            print(
                f"Saved {Path(file.path).name}: {file.bytes} bytes, {file.mime_type}; its link ends {file.expires_at}"
            )
            assert (await anyio.Path(file.path).stat()).st_size == file.bytes > 0
            assert Path(file.path).parent == Path(folder)


if __name__ == "__main__":
    anyio.run(main)
