"""What callers bring: arguments, links, paths, prompts, names of files, and lines of the protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.doors import JSON_WORDS, Door, refusals, require_showable, text_of
from kling_mcp.generation.prompt import Prompt, words_after_at
from kling_mcp.generation.shots import join_shots, looks_like_shots, parse_shots
from kling_mcp.library.folding import fold, name_key, runs, tokens
from kling_mcp.media.links import extension, is_private_host, require_link, show_link
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.media.source import parse_source
from kling_mcp.results.names import fold as fold_name
from kling_mcp.results.names import parse_save_as, slug
from kling_mcp.sanitize import as_shown, clean, identifier, quote
from kling_mcp.server.arguments import parse_arguments, require_exact_ids
from kling_mcp.server.stdio_messages import id_in
from kling_mcp.server.tools import NAMES, load

if TYPE_CHECKING:
    from collections.abc import Sequence

POLICY = MediaPolicy((Path("/pictures"),))
SPECS = [load(name) for name in NAMES]


def arguments(data: bytes) -> None:
    """The first byte chooses the tool, the rest is the JSON of its arguments."""
    spec = SPECS[data[0] % len(SPECS)] if data else SPECS[0]
    try:
        given = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if isinstance(given, dict):
        with refusals():
            parse_arguments(spec.arguments, given)
        with refusals():
            require_exact_ids("ids", [value for value in given.values() if isinstance(value, str)])


def _arguments_seeds() -> Sequence[bytes]:
    values: dict[str, Any] = {"string": "Mia", "integer": 3, "boolean": True, "array": ["@Mia", "https://e.com/a.png"]}
    seeds = []
    for number, spec in enumerate(SPECS):
        fields = spec.arguments.model_json_schema().get("properties", {})
        given = {name: values.get(field.get("type", ""), "Mia") for name, field in fields.items()}
        seeds += [bytes([number]) + json.dumps(given).encode()]
        seeds += [bytes([number]) + json.dumps({name: [given[name], str(given[name])]}).encode() for name in given]
    return seeds


def links(data: bytes) -> None:
    """A link that somebody gives for a picture, a clip or a callback."""
    text = text_of(data)
    require_showable(show_link(text))
    for public in (True, False):
        with refusals():
            link = require_link(text, "image", public=public)
            is_private_host(link)
            extension(link)


def sources(data: bytes) -> None:
    """A picture argument of any form, on either kind of machine."""
    text = text_of(data)
    for windows in (True, False):
        with refusals():
            parse_source(text, "frontal_image", POLICY, windows=windows)


def prompts(data: bytes) -> None:
    """A prompt with mentions, or a list of shots."""
    text = text_of(data)
    prompt = Prompt(text)
    for mention in prompt.mentions:
        assert text[mention.start] == "@"
        assert all(mention.start < end <= len(text) for _, end in mention.names)
    named = [mention for mention in prompt.mentions if mention.names][:3]
    prompt.render({mention.start: ("<<<element_1>>>", mention.names[0][1]) for mention in named})
    _ = prompt.handles, words_after_at(text), looks_like_shots(text)
    shots, problems = parse_shots(text.split("\n")[:20])
    assert all(problem.rule.startswith("must ") for problem in problems)
    join_shots([(shot.seconds, shot.prompt.text) for shot in shots])


def file_names(data: bytes) -> None:
    """A name to save as, and a prompt that names a file: what comes out is a name on every system."""
    text = text_of(data)
    names = [slug(text, "video")]
    with refusals():
        place = parse_save_as(text)
        names += [*place.folders, *filter(None, (place.name, place.stem))]
    for name in names:
        assert name.strip(" .") == name != "", repr(name)
        assert not set(name) & set('<>:"/\\|?*\0\n\x1b'), repr(name)
        assert len(name.encode()) <= 255, repr(name)
        fold_name(name)


def lines(data: bytes) -> None:
    """A line on stdin that the SDK could not read."""
    found = id_in(text_of(data))
    assert found is None or isinstance(found, str | int)


def words(data: bytes) -> None:
    """Any text on its way to a screen, into the index, or into a comparison of names."""
    text = text_of(data)
    require_showable(clean(text))
    require_showable(quote(text))
    require_showable(identifier(text))
    assert as_shown(as_shown(text)) == as_shown(text), repr(text)
    fold(text)
    name_key(text)
    tokens(text)
    assert all(run.text for run in runs(text))


def _links_seeds() -> Sequence[bytes]:
    given = [
        "https://example.com/a.png?x=1#y",
        "https://user:pw@example.com:99/a b",
        "http://[::1]:80/",
        "https://2130706433/",
    ]
    return [*(one.encode() for one in given), "https://ex\u200bample。com/ａ.mp4".encode()]


def _sources_seeds() -> Sequence[bytes]:
    given = [
        "data:image/png;base64,iVBORw0KGgo=",
        "file:///pictures/a.png",
        "C:\\a.png",
        "/c/Users/a.png",
        '"~/a b.png"',
    ]
    return [one.encode() for one in [*given, "\\\\host\\share\\a.png", "www.example.com/a.png", "sandbox:/mnt/a.png"]]


TARGETS: dict[str, Door] = {
    "arguments": Door(
        arguments, _arguments_seeds, [*JSON_WORDS, b"829836802793406551", b"data:image/png;base64,"], json_at=1
    ),
    "links": Door(
        links, _links_seeds, [b"https://", b"@", b"[::1]", b"%00", b":99999", b"xn--", "。".encode(), b"\xe2\x80\xae"]
    ),
    "picture sources": Door(
        sources, _sources_seeds, [b"data:", b";base64,", b"file:", b"%2e", b"\\\\?\\", b"~", b"//wsl$/"]
    ),
    "prompts": Door(
        prompts,
        lambda: [
            b"@Mia waves at @Leo's dog, @image_1",
            b"3: @Mia waves\n2s: @@home <<<element_1>>>",
            "3：@米娅".encode(),
        ],
        [b"@", b"@@", b"<<<", b"image_1", b"3: ", b"\n", b"\xe2\x80\x99s"],
    ),
    "names of files": Door(
        file_names,
        lambda: [b"scenes/kitchen.mp4", b"..\\..\\x", b"CON.txt", "🇩🇪 é\u0301/\u202e.png".encode(), b"a" * 300],
        [b"/", b"..", b"\\", b"LPT1", b"\xe2\x80\x8d", b"\xcc\x81", b".mp4", b"\xef\xbc\x8f"],
    ),
    "lines": Door(
        lines, lambda: [b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}', b'{"id":"a","x":'], JSON_WORDS
    ),
    "words": Door(
        words,
        lambda: ["Mia é\u0301 ＡＢＣ 米娅 한글 🇩🇪👩\u200d🚀\u202e".encode(), b"\x1b[31m\r\n", b"Hero 005-b"],
        [b"\xe2\x80\xae", b"\xe2\x80\x8d", b"\xcc\x81", b"\x00", b"\xed\xa0\x80", "ﬃ".encode(), "ß".encode()],
    ),
}
