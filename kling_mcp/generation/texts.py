"""The texts of a request: its prompt or its shots, the names in them, and what is sent in their place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.errors import Problem
from kling_mcp.generation.prompt import MAX_MENTIONS, Prompt, words_after_at
from kling_mcp.generation.shots import Shot, check_shot, find_joined, join_shots, looks_like_shots
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kling_mcp.generation.prompt import Mention
    from kling_mcp.generation.targets import Standard

    # For each text, where mentions begin: what to write there, and where the mention ends.
    Places = Sequence[Mapping[int, tuple[str, int]]]

# Longer than any model takes: nothing is looked for in more.
MAX_CHARACTERS = 8000


@dataclass(frozen=True, slots=True)
class RenderedTexts:
    """What is sent: a prompt, or the seconds and the text of each shot."""

    prompt: str = ""
    shots: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RequestTexts:
    """The prompt, or the shots that replace it."""

    prompt: Prompt
    shots: tuple[Shot, ...] = ()

    def parts(self) -> tuple[tuple[str, Prompt], ...]:
        """Each text with the argument that holds it."""
        if self.shots:
            return tuple((f"shots[{place}]", shot.prompt) for place, shot in enumerate(self.shots))
        return (("prompt", self.prompt),)

    def mentions(self) -> Iterator[tuple[str, Prompt, Mention]]:
        """Every mention with its argument and its text, in order."""
        for argument, prompt in self.parts():
            for mention in prompt.mentions:
                yield argument, prompt, mention

    def find_problems(self, pictures: int, *, has_video: bool) -> Iterator[Problem]:
        """Texts that cannot be read, handles written by hand, and pictures or a video that are not there."""
        for argument, prompt in self.parts():
            if len(prompt.text) > MAX_CHARACTERS:
                rule = f"must have at most {MAX_CHARACTERS} characters"
                yield Problem(argument, rule, f"{len(prompt.text)} characters", "shorten it.")
                return
            if len(prompt.mentions) > MAX_MENTIONS:
                yield Problem(argument, f"must have at most {MAX_MENTIONS} @names", "more of them", "leave some out.")
                return
            for handle in dict.fromkeys(prompt.handles):  # fact: handle-wrong-is-billed
                fix = "write @ and the element's name, @image_1 for a picture or @video_1 for the video."
                yield Problem(argument, "must have names, not Kling's own handles", quote(handle, 60), fix)
        yield from self._media_problems(pictures, has_video=has_video)

    def _media_problems(self, pictures: int, *, has_video: bool) -> Iterator[Problem]:
        for argument, _, mention in self.mentions():
            kind, _, number = mention.media.partition("_")
            if kind == "image" and int(number) > pictures:
                rule = f"must name one of the {pictures} pictures in images" if pictures else "must name no picture"
                yield Problem(argument, rule, f"@{mention.media}", "add the picture to images, or change the number.")
            if kind == "video" and (not has_video or number != "1"):
                rule = "must say @video_1 for the video in video_url" if has_video else "must name no video"
                yield Problem(argument, rule, f"@{mention.media}", "give video_url, or leave it out.")

    def render(self, places: Places) -> RenderedTexts:
        """The texts with handles in place of mentions."""
        sent = [prompt.render(there) for (_, prompt), there in zip(self.parts(), places, strict=True)]
        if self.shots:
            return RenderedTexts(shots=tuple((shot.seconds, text) for shot, text in zip(self.shots, sent, strict=True)))
        return RenderedTexts(prompt=sent[0])

    def plain_words(self, places: Places) -> tuple[str, ...]:
        """Words after an @ that stay in the text when all mentions are replaced: no handle may be like them."""
        rests = [
            prompt.render({start: ("", end) for start, (_, end) in there.items()})
            for (_, prompt), there in zip(self.parts(), places, strict=True)
        ]
        return tuple(word for rest in rests for word in words_after_at(rest))


def find_length_problems(texts: RenderedTexts, standard: Standard, most: int) -> Iterator[Problem]:
    """Texts that are too long as they are sent, handles included. facts: gen30-prompt, gen30-shots, old-omni-fields"""
    joined = standard == "3.0"
    problems = [check_shot(place, text, joined=joined) for place, (_, text) in enumerate(texts.shots)]
    yield from (problem for problem in problems if problem is not None)
    whole = join_shots(texts.shots) if texts.shots and joined else texts.prompt
    if len(whole) > most:
        argument = "shots" if texts.shots else "prompt"
        rule = f"must have at most {most} characters as it is sent, handles included"
        yield Problem(argument, rule, f"{len(whole)} characters", f"shorten it by {len(whole) - most} or more.")


def find_text_notes(texts: RenderedTexts) -> list[str]:
    """What a person should know of a prompt before paying."""
    if looks_like_shots(texts.prompt):
        return ["The prompt sets out shots itself, and is sent as one shot; give them as shots instead."]
    return find_joined([text for _, text in texts.shots])
