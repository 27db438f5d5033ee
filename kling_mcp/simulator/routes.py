"""The routes by name, so that the app, the transport and faults mean the same by `create`.

facts: element-routes, voice-routes

Names only: `operations` defines what a route does.
"""

from typing import NamedTuple
from urllib.parse import unquote

UNKNOWN = "unknown"
ANY = "any"
CONTROL_PREFIX = "/_simulator/"


class Match(NamedTuple):
    """A route's name and the id in its path, if it has one."""

    name: str
    item_id: str = ""


_EXACT = {
    ("POST", "/v1/general/advanced-custom-elements"): "create",
    # fact: no-trailing-slash. The vendor's samples have the slash, so it works as well.
    ("POST", "/v1/general/advanced-custom-elements/"): "create",
    ("GET", "/v1/general/advanced-custom-elements"): "list",
    ("GET", "/v1/general/advanced-presets-elements"): "presets",
    ("POST", "/v1/general/delete-elements"): "delete",
    ("POST", "/v1/general/delete-advanced-elements"): "delete",  # fact: delete-two-paths
    ("POST", "/v1/general/custom-voices"): "voice-create",
    ("GET", "/v1/general/custom-voices"): "voice-list",
    ("GET", "/v1/general/presets-voices"): "voice-presets",
    ("POST", "/v1/general/delete-voices"): "voice-delete",
    ("GET", "/account/costs"): "costs",
}
_WITH_ID = {
    "/v1/general/advanced-custom-elements/": "query",
    "/v1/general/custom-voices/": "voice-query",
}
ROUTE_NAMES = frozenset(_EXACT.values()) | frozenset(_WITH_ID.values()) | {UNKNOWN, ANY}


def match_route(method: str, raw_path: str) -> Match:
    """The route of a request; `raw_path` is the path as sent, still percent-encoded."""
    exact = _EXACT.get((method, raw_path))
    if exact is not None:
        return Match(exact)
    parent, slash, last = raw_path.rpartition("/")
    name = _WITH_ID.get(parent + slash)
    if method == "GET" and name is not None and last:
        return Match(name, unquote(last))
    return Match(UNKNOWN)
