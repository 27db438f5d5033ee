"""Values that callers send, and values that nobody should: texts, ids, numbers, and arguments made from a schema."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fuzz.served import ELEMENT, FRONT, NAME, OUTSIDE, SIDE, TASK, VOICE
from kling_mcp.generation.targets import TARGETS

CONTROLS = "\x00\x07\x1b[31m\r\n\t\x7f\x85\u2028\u2029"
DIRECTIONS = "\u202e\u2066\u200f\u061c\ufeff\u200b\u00ad\U000e0041"
LAST_LINES = "\nkind=internal created=yes retry=now code=0 request_id=x"

_ALPHABET = st.one_of(
    st.characters(codec="utf-8"),
    st.sampled_from(list(CONTROLS + DIRECTIONS + "\"'`{}[]<>&%$#?/\\.,:;=-_~@")),
)
# No halves of characters: no client can send one as an object; `messages` has them, as \u escapes.
texts = st.one_of(
    st.text(_ALPHABET, max_size=60),
    st.sampled_from(
        ["", " ", "\x00", CONTROLS, DIRECTIONS, LAST_LINES, "x" * 5000, "é" * 200, "🐈" * 120, "null", "{}"]
    ),
    st.sampled_from(["../../etc/passwd", "%00", "%2e%2e%2f", "${HOME}", "'; DROP TABLE elements; --", "*", '"', "%"]),
)
links = st.one_of(
    st.sampled_from(
        [
            "https://example.com/a.png",
            "http://example.com/a.png",
            "https://user:password@example.com/a.png?token=1",
            "https://127.0.0.1/a.png",
            "https://[::1]/a.png",
            "https://[::1",
            "https://2130706433/",
            "https://example.com:99999/",
            "https://ex\u200bample.com/",
            "https://xn--/",
            "https://" + "a" * 5000,
            "ftp://example.com/a",
            "file:///etc/passwd",
            "file://host/share/a.png",
            "data:,",
            "data:image/png;base64,",
            "data:image/png;base64,####",
            "data:image/png;base64," + "A" * 4000,
            "data:;base64,/9j/4AAQ",
            "javascript:alert(1)",
            "//example.com/a.png",
            "\\\\host\\share\\a.png",
            "C:\\a.png",
            "/dev/zero",
            "/dev/stdin",
            "/proc/self/environ",
            "~/a.png",
            "~nobody/a.png",
            ".",
            "..",
            "/",
        ]
    ),
    st.builds("https://{}".format, texts),
    st.builds("data:{}".format, texts),
    st.builds("file:{}".format, texts),
    st.builds("{}/{}".format, st.sampled_from([FRONT, "@outside/.."]), texts),
)
numbers = st.one_of(
    st.integers(-3, 2000),
    st.sampled_from([2**31, 2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**63, 2**64, 10**30, -(10**30)]),
    st.floats(),
    st.sampled_from([0.5, 1.0, 1e308, -1e308, 1e-320]),
)
numerals = st.sampled_from(["0", "1", "-1", "3.0", " 7 ", "1e3", "0x10", "١٢", "9" * 15, "9" * 16, "9" * 5000, "NaN"])
ids = st.one_of(
    st.sampled_from([ELEMENT, TASK, NAME, "kmcp-mia", "kmcp-", "8" * 18, "9" * 19, "829836802793406551", "160", "."]),
    st.integers(2**53 - 2, 2**53 + 2),
    texts,
)
scalars = st.one_of(st.none(), st.booleans(), numbers, numerals, texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)

# What makes each argument mean something, so that more than the first check is reached.
_MEANT: dict[str, st.SearchStrategy[Any]] = {
    "frontal_image": st.one_of(st.sampled_from([FRONT, SIDE, OUTSIDE]), links),
    "refer_images": st.one_of(st.just([SIDE]), st.lists(st.one_of(st.sampled_from([SIDE, FRONT]), links), max_size=4)),
    "video_url": st.one_of(st.just("https://example.com/a.mp4"), links),
    "callback_url": st.one_of(st.just(""), links),
    "element_voice_id": st.one_of(st.just(VOICE), ids),
    "element_name": st.one_of(st.sampled_from(["Mia", "Leo"]), texts),
    "element_id": ids,
    "id": ids,
    "ids": st.lists(ids, max_size=4),
    "elements": st.lists(ids, max_size=9),
    "target": st.sampled_from(list(TARGETS)),
    "query": st.one_of(st.just("mia"), ids, texts),
    "tags": st.lists(st.one_of(st.sampled_from(["Character", "o_102", "Charakter"]), texts), max_size=4),
}


def _lists_as_sent(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A list in the forms in which clients really send one, and in some that they do not."""
    joined = st.lists(texts, max_size=4).flatmap(
        lambda parts: st.sampled_from([",".join(parts), "\n".join(parts), "[" + ",".join(parts)])
    )
    as_json = st.sampled_from(
        ["[]", '["@front"]', "[1, [2]]", '["a"', "[" * 3000, "[" * 3000 + "]" * 3000, "[9" + "9" * 5000 + "]"]
    )
    return st.one_of(
        items, joined, as_json, st.lists(anything, max_size=4), st.builds(lambda one: [one] * 300, scalars)
    )


def _values_of(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    meant = _MEANT.get(name, texts)
    if "enum" in schema:
        meant = st.sampled_from([*schema["enum"], *(str(word).upper() for word in schema["enum"][:2])])
    elif kind == "array":
        meant = _lists_as_sent(_MEANT.get(name, st.lists(texts, max_size=3)))
    elif kind == "boolean":
        meant = st.one_of(st.booleans(), st.sampled_from(["true", "no", "1", 0, 2]))
    elif kind == "integer":
        edges = [schema.get("minimum", 0) + step for step in (-1, 0, 1)]
        edges += [schema.get("maximum", 1000) + step for step in (-1, 0, 1)]
        meant = st.one_of(st.sampled_from(edges), st.integers(edges[1], edges[4]), numerals)
    return st.one_of(meant, meant, meant, anything)


@st.composite
def arguments_for(draw: st.DrawFn, schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments after a tool's input schema, with all that can be wrong in them."""
    properties: dict[str, Any] = schema.get("properties", {})
    required = [name for name in schema.get("required", []) if draw(st.integers(0, 9))]
    chosen = draw(st.sets(st.sampled_from(sorted(properties)), max_size=4)) if properties else set()
    arguments = {name: draw(_values_of(name, properties[name])) for name in sorted({*required, *chosen})}
    if not draw(st.integers(0, 7)):
        arguments |= draw(st.dictionaries(texts, anything, min_size=1, max_size=3))
    return arguments
