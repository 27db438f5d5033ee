"""The routes by name, so that the app, the transport and faults mean the same by `create`.

facts: element-routes, voice-routes, gen30-routes, old-routes

Names only: `operations` defines what a route does.
"""

from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote

UNKNOWN = "unknown"
ANY = "any"
ANY_CREATE = "any-create"
CONTROL_PREFIX = "/_simulator/"
FILES_PREFIX = CONTROL_PREFIX + "files/"  # what a result's link leads to; there without the control routes, too

# fact: gen30-routes. The model is the last part of the path.
NEW_STANDARD = frozenset({"text-to-video", "image-to-video", "omni-video", "motion-control"})
# fact: old-routes. Each is read on its own path, too (fact: gen-route-bound).
OLDER_PATHS = MappingProxyType(
    {
        "v1-omni-video": "/v1/videos/omni-video",
        "v1-image2video": "/v1/videos/image2video",
        "v1-text2video": "/v1/videos/text2video",
        "v1-motion-control": "/v1/videos/motion-control",
        "v1-omni-image": "/v1/images/omni-image",
        "v1-generations": "/v1/images/generations",
    }
)
CREATES = frozenset({"create", "voice-create"}) | NEW_STANDARD | frozenset(OLDER_PATHS)
# Other routes take a key pair, too (fact: auth-pair-legacy-only).
API_KEY_ONLY = NEW_STANDARD | {"tasks-get", "tasks-list", "ledger", "cash-ledger"}


class Match(NamedTuple):
    """A route's name and the id, model or file in its path, if it has one."""

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
    ("POST", "/account/billing/package"): "ledger",  # fact: ledger-package
    ("POST", "/account/billing/balance"): "cash-ledger",
    ("GET", "/tasks"): "tasks-get",
    ("POST", "/tasks"): "tasks-list",
    **{("POST", path): name for name, path in OLDER_PATHS.items()},
    **{("GET", path): f"{name}-list" for name, path in OLDER_PATHS.items()},
}
_WITH_ID = {
    "/v1/general/advanced-custom-elements/": "query",
    "/v1/general/custom-voices/": "voice-query",
    **{f"{path}/": f"{name}-query" for name, path in OLDER_PATHS.items()},
}
_WITH_MODEL = {f"/{name}/": name for name in NEW_STANDARD}
ROUTE_NAMES = (
    frozenset(_EXACT.values()) | frozenset(_WITH_ID.values()) | NEW_STANDARD | {"file", UNKNOWN, ANY, ANY_CREATE}
)


def match_route(method: str, raw_path: str) -> Match:
    """The route of a request; `raw_path` is the path as sent, still percent-encoded."""
    if method == "GET" and raw_path.startswith(FILES_PREFIX):
        return Match("file", unquote(raw_path.removeprefix(FILES_PREFIX)))
    exact = _EXACT.get((method, raw_path))
    if exact is not None:
        return Match(exact)
    parent, slash, last = raw_path.rpartition("/")
    name = (_WITH_ID if method == "GET" else _WITH_MODEL if method == "POST" else {}).get(parent + slash)
    if name is not None and last:
        return Match(name, unquote(last))
    return Match(UNKNOWN)


def covers(armed: str, route: str) -> bool:
    """Whether a fault that was armed for a route, or for several of them, fits this one."""
    return armed in {ANY, route} or (armed == ANY_CREATE and route in CREATES)
