"""Messages of the protocol, whole and broken, as bytes: what a client writes into a line or into a body."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from fuzz.replies import HALVES
from fuzz.values import CONTROLS, DIRECTIONS, anything, arguments_for, texts
from kling_mcp.server.schemas import plain_schema
from kling_mcp.server.tools import NAMES, load

SCHEMAS = {spec.name: plain_schema(spec.arguments) for spec in map(load, NAMES)}
URIS = [
    *["kling://elements/Mia", "kling://elements/1/picture", "kling://tags", "kling://errors", "kling://limits"],
    "kling://production-sheet",
]
# One of each that a server may be sent; those that wait or listen for ever are another matter.
METHODS = [
    *["tools/call", "tools/list", "resources/list", "resources/read", "resources/templates/list", "prompts/list"],
    *["prompts/get", "completion/complete", "ping", "logging/setLevel", "initialize", "server/discover"],
    *["tasks/get", "tasks/cancel", "tasks/update", "resources/subscribe", "nothing/known", ""],
]

uris = st.one_of(
    st.sampled_from(URIS),
    st.builds("kling://elements/{}".format, texts),
    st.builds("kling://elements/{}/picture".format, texts),
    st.builds("{}%{}".format, st.sampled_from(URIS), st.sampled_from(["00", "FF", "2e%2e", "zz", "ud800"])),
    texts,
)
calls = st.sampled_from(sorted(SCHEMAS)).flatmap(
    lambda name: st.fixed_dictionaries(
        {"name": st.just(name), "arguments": st.one_of(arguments_for(SCHEMAS[name]), anything)}
    )
)
references = st.one_of(
    st.fixed_dictionaries({"type": st.just("ref/resource"), "uri": st.sampled_from(["kling://elements/{id}", "x"])}),
    st.fixed_dictionaries({"type": st.just("ref/prompt"), "name": st.one_of(st.just("cast_from_pictures"), texts)}),
    anything,
)
completions = st.fixed_dictionaries(
    {
        "ref": references,
        "argument": st.fixed_dictionaries({"name": st.sampled_from(["id", "names", "tag", "x"]), "value": texts}),
    }
)
params = st.one_of(
    calls,
    calls,
    st.fixed_dictionaries({"uri": uris}),
    completions,
    st.fixed_dictionaries({"name": texts, "arguments": st.dictionaries(texts, texts, max_size=3)}),
    st.fixed_dictionaries({"cursor": texts}),
    st.fixed_dictionaries({"taskId": texts}),
    st.dictionaries(texts, anything, max_size=3),
)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A message with a method and parameters that may even fit it; whoever sends it gives it an id."""
    wanted = draw(st.one_of(st.just("tools/call"), st.sampled_from(METHODS)))
    return {"jsonrpc": "2.0", "method": wanted, "params": draw(calls if wanted == "tools/call" else params)}


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


_BROKEN = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"[[]]",
    b"0",
    b"\xff\xfe\x00",
    b'{"jsonrpc":"2.0","id":1e400,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
    b'{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"1.0","id":"x","method":"ping"}',
    b'{"jsonrpc":"2.0","id":"x","result":{}}',
    b'{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"no"}}',
    b'{"jsonrpc":"2.0","id":"x","method":"ping","id":"y"}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody"}}',
    b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":[],"progress":"x"}}',
    b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    b"[" * 100_000,
    b'{"jsonrpc":"2.0","id":"x","method":"' + b"m" * 1_000_000 + b'"}',
    b"\xed\xa0\x80",
    b'{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"get_element","arguments":{"id":"\\ud800"}}}',
    b"\xef\xbb\xbf{}",
]
broken = st.one_of(
    st.sampled_from(_BROKEN),
    anything.map(_dumped),
    st.binary(max_size=80).map(lambda data: data.replace(b"\n", b" ")),
    st.tuples(requests(), st.integers(0, 200)).map(lambda made: _dumped(made[0])[: made[1]]),
    requests().map(lambda made: _dumped({**made, "id": [made]})),
)
# Text that no client library would send: halves of characters, as escapes, in the place of a word.
ODD_TEXTS = [HALVES, "\ud800" * 30, f"{CONTROLS}{HALVES}{DIRECTIONS}"]
