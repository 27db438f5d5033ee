"""Who this server is, as clients show it: beside its name a link and a picture.

The newest protocol repeats all of this with every result, so the picture is a link and not the picture itself.
"""

from __future__ import annotations

from mcp_types import Icon

NAME, TITLE = "kling-mcp", "Kling Elements"
WEBSITE = "https://github.com/kling-mcp/kling-mcp"
# docs/icon.png; PNG, because the address of a file in a repository does not say that an SVG is a picture.
ICON = Icon(
    src="https://raw.githubusercontent.com/kling-mcp/kling-mcp/main/docs/icon.png",
    mime_type="image/png",
    sizes=["512x512"],
)
