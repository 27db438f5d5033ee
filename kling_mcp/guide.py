"""Where a person finds more about trouble with the surroundings: the parts of docs/troubleshooting.md."""

from typing import Literal

# The page's headings, as links name them.
Topic = Literal[
    "",
    "addresses",
    "certificates",
    "keys-regions-and-the-clock",
    "proxies",
    "settings",
    "sleep-and-interruptions",
    "state",
    "the-client-does-not-start-the-server",
]

DOCS = "https://github.com/kling-mcp/kling-mcp/blob/main/docs"
_PAGE = f"{DOCS}/troubleshooting.md"


def guide_to(topic: Topic) -> str:
    """The link to a part of the page, as a sentence; "" without a topic."""
    return f"More: {_PAGE}#{topic}" if topic else ""
