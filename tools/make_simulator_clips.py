"""Makes the clips that the simulator returns as results: two seconds of a moving square, in H.264 with or without AAC.

    python tools/make_simulator_clips.py

Needs `ffmpeg` with libx264 (Debian's package `ffmpeg`), which nothing else here uses.
The clips are committed, so the script runs only when they are to change.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "kling_mcp" / "simulator" / "generation" / "clips"
SHAPES = {"16x9": (320, 180), "9x16": (180, 320), "1x1": (240, 240)}
SECONDS, FRAMES = 2, 12
# The same bytes on every run of the same version of ffmpeg.
EXACT = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1"]


def make(name: str, width: int, height: int, *, sound: bool) -> Path:
    """Make one clip and return its path."""
    path = FOLDER / f"{name}-{'sound' if sound else 'silent'}.mp4"
    ground = f"color=c=0x2EAAA3:s={width}x{height}:r={FRAMES}:d={SECONDS}"
    square = f"color=c=0xFF8462:s=60x60:r={FRAMES}:d={SECONDS}"
    travel = f"[0][1]overlay=x='(W-w)*t/{SECONDS}':y='(H-h)/2':shortest=1,format=yuv420p[moving]"
    tone = ["-f", "lavfi", "-i", f"sine=frequency=330:duration={SECONDS}:sample_rate=22050"] if sound else []
    audio = ["-map", "2:a", "-c:a", "aac", "-b:a", "16k", "-ac", "1"] if sound else []
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", ground, "-f", "lavfi", "-i", square, *tone]
    command += ["-filter_complex", travel, "-map", "[moving]", "-c:v", "libx264", "-preset", "veryslow", "-crf", "32"]
    subprocess.run([*command, *audio, *EXACT, "-movflags", "+faststart", str(path)], check=True)  # noqa: S603 - ours
    return path


def main() -> None:
    """Make all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (width, height) in SHAPES.items():
        for sound in (False, True):
            make(name, width, height, sound=sound)


if __name__ == "__main__":
    main()
