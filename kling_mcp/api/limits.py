"""What Kling accepts in a creation, as data: numbers and words, each with its fact id.

Nothing is checked here.
Fact ids are those of docs/kling-api.md; "" marks our own rule, explained next to it.
"""

from __future__ import annotations

from typing import Final, Self


class Limit(int):
    """A number that remembers its fact id, and is otherwise a plain int."""

    fact: str

    def __new__(cls, value: int, fact: str) -> Self:
        limit = super().__new__(cls, value)
        limit.fact = fact
        return limit


MAX_NAME_CHARACTERS: Final = Limit(20, "name-20")
MAX_DESCRIPTION_CHARACTERS: Final = Limit(100, "description-100")

REFER_IMAGES_MIN: Final = Limit(1, "image-count")
REFER_IMAGES_MAX: Final = Limit(3, "image-count")

# "10 MB" may mean 10,000,000 or 10,485,760 bytes; the page does not say. We use the smaller one, which is valid
# either way: a file between the two must be saved again, but is never refused by Kling.
MAX_IMAGE_BYTES: Final = Limit(10_000_000, "image-bytes")
# Of a picture in a text: Base64 with line ends, and with all percent signs that are decoded.
MAX_DATA_CHARACTERS: Final = MAX_IMAGE_BYTES * 2
MIN_IMAGE_SIDE_PX: Final = Limit(300, "image-pixels")
# The longer side may be at most 5/2 of the shorter one; whole numbers keep the boundary exact.
IMAGE_RATIO_LONG: Final = Limit(5, "image-ratio")
IMAGE_RATIO_SHORT: Final = Limit(2, "image-ratio")
# Ours: no photograph within the byte limit has more pixels, so a header that claims more is an attack on the
# decoder.
MAX_IMAGE_PIXELS: Final = Limit(150_000_000, "")

# The Base64 text of all pictures together. One party hit the cap "near 40 MB"; read as decimal for the same
# reason as above.
MAX_INLINE_BASE64_BYTES: Final = Limit(40_000_000, "body-40mb")

# Ours. Kling states no length for links and external ids; a path segment and a header must hold them.
MAX_LINK_CHARACTERS: Final = Limit(2048, "")
MAX_EXTERNAL_TASK_ID_CHARACTERS: Final = Limit(64, "")

VOICE_ID_USUAL_DIGITS: Final = Limit(18, "voice-record")
# Ours: an unsigned 64-bit number has no more.
MAX_VOICE_ID_DIGITS: Final = Limit(20, "")

VIDEO_RULE: Final = "mp4 or mov, 3 to 8 s, 1080P, 16:9 or 9:16, at most 200 MB"  # fact: video-format

# facts: voice-create, voice-from
VOICE_RULE: Final = "mp3, wav, mp4 or mov, one clean voice, 5 to 30 s"

IMAGE_REFER: Final = "image_refer"
VIDEO_REFER: Final = "video_refer"
REFERENCE_TYPES: Final = (IMAGE_REFER, VIDEO_REFER)

# Kling has these eight. fact: tag-table
TAGS: Final[dict[str, str]] = {
    "o_101": "Hottest",
    "o_102": "Character",
    "o_103": "Animal",
    "o_104": "Item",
    "o_105": "Costume",
    "o_106": "Scene",
    "o_107": "Effect",
    "o_108": "Others",
}
