"""For tests that start this package as a process of its own, as clients and people do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "kling_mcp"]


def environ_with(**settings: str) -> dict[str, str]:
    """This process's environment without its Kling settings, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KLING_")}
    found_by = [str(ROOT), *filter(None, [settings.pop("PYTHONPATH", ""), inherited.get("PYTHONPATH", "")])]
    return {**inherited, "PYTHONPATH": os.pathsep.join(found_by), **settings}
