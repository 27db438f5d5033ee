"""`python saving.py URL FOLDER [LIMIT]`: a process that saves one result and prints its row.

LIMIT is the largest file in bytes that the system lets it write.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import anyio

from kling_mcp.concurrency.clock import SystemClock
from kling_mcp.results.download import Downloader
from kling_mcp.results.links import LinkRules
from kling_mcp.results.saver import Result, ResultSaver
from kling_mcp.results.sidecar import Description


async def save(link: str, folder: str) -> None:
    clock = SystemClock()
    saver = ResultSaver(Path(folder), Downloader(LinkRules(link.partition("/a.mp4")[0]), clock), clock)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    (row,) = await saver.save([Result(link, 5.0)], Description(kind="video", task_id="1", prompt="Dance"))
    sys.stdout.write(json.dumps([row.path, row.error.for_caller() if row.error else ""]))


if __name__ == "__main__":
    if len(sys.argv) > 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
    anyio.run(save, sys.argv[1], sys.argv[2])
