"""Fuzz for some minutes: `python tests/fuzz/campaign.py MINUTES [pytest's arguments]`, or `make fuzz MINUTES=10`.

Plays rounds of `tests/fuzz` with ever new seeds until the time is over or something was found, and says how to
repeat what was found. What Hypothesis found it keeps in `.hypothesis`, and tries first in the next round.
"""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
PROFILE = {"HYPOTHESIS_PROFILE": "fuzz"}
# Of each process, so that what fills the memory fails instead of taking the computer along.
MAX_BYTES = 6 * 2**30


def main(minutes: str, *more: str) -> int:
    """The exit code: 0 where nothing was found."""
    with suppress(ImportError, ValueError, OSError):  # not everywhere
        import resource  # noqa: PLC0415 - there is none on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    ends = time.monotonic() + float(minutes) * 60
    rounds = 0
    while time.monotonic() < ends:
        rounds += 1
        seed = random.SystemRandom().randrange(2**32)
        command = [sys.executable, "-m", "pytest", str(HERE), "-q", f"--hypothesis-seed={seed}", *more]
        print(f"Round {rounds}, seed {seed}", flush=True)
        code = subprocess.run(command, env={**os.environ, **PROFILE}, check=False).returncode
        if code:
            again = shlex.join(["pytest", os.path.relpath(HERE), f"--hypothesis-seed={seed}"])
            print(f"\nSomething was found. To repeat it: HYPOTHESIS_PROFILE=fuzz {again}")
            print("with `-k` and the name of the test for that one alone.")
            return code
    print(f"\nNothing was found in {rounds} rounds.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["10"])))
