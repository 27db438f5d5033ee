"""A sequence of two shots without MCP: the second begins with a picture that the caller has.

    python examples/two_shots.py

With a player or ffmpeg, that picture would be the last frame of the first shot; here it is one of the demo's.
"""

from __future__ import annotations

import tempfile
from contextlib import aclosing
from importlib.resources import as_file, files
from pathlib import Path

import anyio

from kling_mcp import Clock, GenerationRequest, Runtime, Settings, VideoDraft

PICTURES = files("kling_mcp") / "demo" / "pictures"


def sequence(picture: Path) -> tuple[VideoDraft, VideoDraft]:
    """Both shots, in their order."""
    return (
        VideoDraft(prompt="A small teal robot rolls into a kitchen, wide", duration=5),
        VideoDraft(prompt="The robot looks up and waves, close", duration=3, first_frame=str(picture)),
    )


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play the wait in virtual seconds."""
    with as_file(PICTURES) as pictures, tempfile.TemporaryDirectory() as folder:
        settings = Settings(sandbox=True, media_dirs=(pictures,), output_dir=Path(folder))
        async with aclosing(Runtime(settings, clock=clock)) as runtime:
            generator = runtime.own_account().generator
            shots: list[GenerationRequest] = []
            for number, draft in enumerate(sequence(pictures / "pip-front.jpg"), start=1):
                shots.append(await generator.prepare(draft, save_as=f"kitchen/shot-{number}"))
            print(f"Both shots cost {sum(shot.prepared.estimate.high for shot in shots)} units")
            assert "first_frame" in shots[1].memo.request

            for shot in shots:
                made = await generator.generate_and_wait(shot, wait_seconds=600)
                [clip] = made.files
                print(f"Saved {Path(clip.path).relative_to(folder)} ({clip.seconds:.0f} s)")
                assert (await anyio.Path(clip.path).stat()).st_size == clip.bytes > 0


if __name__ == "__main__":
    anyio.run(main)
