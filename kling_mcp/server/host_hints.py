"""What a tool tells a host that hides tools, and one that asks before deletions: keys of `_meta` in `tools/list`.

Claude Code reads them (https://code.claude.com/docs/en/mcp; the search hint is read by its tool search and is not
documented there); other hosts ignore keys that they do not know.
"""

from __future__ import annotations

from typing import Any

ALWAYS_LOAD = "anthropic/alwaysLoad"
SEARCH_HINT = "anthropic/searchHint"
MAX_RESULT_CHARACTERS = "anthropic/maxResultSizeChars"
REQUIRES_PERSON = "anthropic/requiresUserInteraction"
# A page of 500 elements; the host itself stops at 500,000. What is longer, it puts into a file.
LONG_RESULT = 200_000


def host_hints(search_hint: str, *, is_long: bool) -> dict[str, Any]:
    """The keys of one tool.

    Args:
        search_hint: words that its name and description lack; "" for a tool that is never hidden, because almost every
            request begins with it.
        is_long: whether its results may be too long for the host's own limit.
    """
    seen: dict[str, Any] = {SEARCH_HINT: search_hint} if search_hint else {ALWAYS_LOAD: True}
    return {**seen, **({MAX_RESULT_CHARACTERS: LONG_RESULT} if is_long else {})}
