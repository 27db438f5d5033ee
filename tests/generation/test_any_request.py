"""Whatever is asked for: a request that our rules let through is one that Kling takes whole, at the estimated price.

The simulator has its own reading of the rules and prices, so each refusal, ignored field and other price is a
disagreement of two readings of the vendor's pages. facts: gen-unknown-fields-billed, price-table
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

import anyio
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY
from hypothesis import given
from hypothesis import strategies as st
from profiles import fuzzing
from virtual_time import VirtualClock, VirtualLoop

from kling_mcp.errors import InputError, KlingError
from kling_mcp.generation.draft import ImageDraft, VideoDraft
from kling_mcp.generation.models import Audio, ImageModel, ImageResolution, VideoModel, VideoResolution
from kling_mcp.runtime import Runtime
from kling_mcp.settings import Settings
from kling_mcp.simulator import SimulatorTransport, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.generation.generator import GenerationRequest

    Made = tuple[World, list[GenerationRequest], Counter[str]]

LINK, CLIP = "https://example.com/kitchen.png", "https://example.com/dance.mp4"
KEYS: dict[str, dict[str, Any]] = {
    "API key": {"api_key": API_KEY},
    "key pair": {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY},
}
NAMES = ("Mia", "Red Fox", "小雨", "Host")
WORDS = (
    "@Mia",
    "@{Red Fox}",
    "@小雨",
    "@Host",
    "@image_1",
    "@image_2",
    "@video_1",
    "dances",
    "a kitchen",
    "noon @@ home",
    ";",
)
PROMPTS = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
LISTED = st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)
PICTURES = st.lists(st.just(LINK), max_size=3).map(tuple)
RATIOS = st.sampled_from((None, "16:9", "9:16", "1:1", "21:9", "auto"))
VIDEOS = st.builds(
    VideoDraft,
    prompt=PROMPTS,
    elements=LISTED,
    images=PICTURES,
    first_frame=st.sampled_from(("", "", LINK)),
    last_frame=st.sampled_from(("", "", "", LINK)),
    video_url=st.sampled_from(("", "", CLIP)),
    video_use=st.sampled_from(("feature", "base")),
    shots=st.lists(st.builds("{}: {}".format, st.integers(1, 9), PROMPTS.filter(bool)), max_size=3).map(tuple),
    model=st.sampled_from(get_args(VideoModel)),
    duration=st.one_of(st.none(), st.integers(2, 16)),
    aspect_ratio=RATIOS,
    resolution=st.sampled_from(get_args(VideoResolution)),
    audio=st.sampled_from(get_args(Audio)),
)
IMAGES = st.builds(
    ImageDraft,
    prompt=PROMPTS,
    elements=LISTED,
    images=PICTURES,
    model=st.sampled_from(get_args(ImageModel)),
    count=st.integers(1, 9),
    aspect_ratio=RATIOS,
    resolution=st.sampled_from(get_args(ImageResolution)),
)
Draft = VideoDraft | ImageDraft


async def make_all(
    folder: Path, credential: str, drafts: Sequence[Draft]
) -> tuple[World, list[GenerationRequest], Counter[str]]:
    """Kling afterwards, what was made, and how many drafts our rules refused by the argument at fault."""
    clock = VirtualClock()
    world = World(clock.wall, api_keys=[API_KEY], key_pairs={ACCESS_KEY: SECRET_KEY})
    world.durations = lambda _kind, _rng: 5.0
    mine = world.account_of(API_KEY if credential == "API key" else ACCESS_KEY)
    for name in NAMES:
        world.add_element(mine, name, reference_type="video_refer" if name == "Host" else "image_refer")
    settings = Settings(**KEYS[credential], media_dirs=(), state_dir=folder, output_dir=False, thumbnails=False)
    runtime = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world))
    made, refused = [], Counter[str]()
    try:
        generator = runtime.own_account().generator
        for take, draft in enumerate(drafts, 1):
            try:
                request = await generator.prepare(draft, take=take)
            except KlingError as error:
                refused.update({p.argument for p in error.problems} if isinstance(error, InputError) else {"?"})
                continue
            await generator.generate_and_wait(request, wait_seconds=100)
            made.append(request)
    finally:
        await runtime.aclose()
    return world, made, refused


def run(credential: str, drafts: Sequence[Draft]) -> Made:
    found: list[Any] = []

    async def story() -> None:
        with TemporaryDirectory() as folder:
            found.append(await make_all(Path(folder), credential, drafts))

    anyio.run(story, backend_options={"loop_factory": VirtualLoop})
    return found[0]  # type: ignore[no-any-return]  # appended above


@fuzzing(40)
@given(credential=st.sampled_from(list(KEYS)), drafts=st.lists(VIDEOS | IMAGES, min_size=1, max_size=8))
def test_accepted_request_is_taken_whole_at_the_estimated_price(credential: str, drafts: list[Draft]) -> None:
    world, made, _ = run(credential, drafts)
    unnamed = [field for field in world.ignored_fields if field.endswith("is not in the prompt")]
    assert [field for field in world.ignored_fields if field not in unnamed] == []
    assert not unnamed or any("text names" in note for request in made for note in request.prepared.notes)
    paid = [task.units for task in world.generations.values()]
    assert len(paid) == len(made)
    for units, request in zip(paid, made, strict=True):
        estimate = request.prepared.estimate
        assert estimate.low <= units <= estimate.high


def test_drafts_of_this_test_are_often_accepted() -> None:
    """Otherwise it would prove nothing."""
    plain = [VideoDraft(prompt="@Mia dances", model=model) for model in ("3.0-omni", "o1")]
    pictures = [ImageDraft(prompt="@Mia", model=model) for model in get_args(ImageModel)]
    for credential in KEYS:
        _, made, refused = run(credential, [*plain, *pictures])
        assert (len(made), refused) == (5, Counter())
