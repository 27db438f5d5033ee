"""The gallery in headless Chromium, where there is one; tests/gallery/browser/run.sh brings what it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "browser" / "run.mjs"


def test_gallery_works_in_a_real_browser_inside_the_official_host_bridge() -> None:
    tools = os.environ.get("NODE_TOOLS", "")
    node, chromium = shutil.which("node"), shutil.which("chromium")
    if not (tools and node and chromium):
        pytest.skip("needs node, chromium and NODE_TOOLS, a folder with the packages of browser/package.json")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KLING_")}
    ran = subprocess.run(
        [node, str(RUN)],
        env={**environ, "CHROMIUM": chromium, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "all checks passed" in ran.stdout
