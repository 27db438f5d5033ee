"""`python -m kling_mcp`: the same as the `kling-mcp` command."""

from __future__ import annotations

import sys

from kling_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main())
