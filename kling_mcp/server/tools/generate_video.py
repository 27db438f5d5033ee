"""`generate_video`: a clip with elements, paid once, ending in a file."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal, get_args

from pydantic import Field

from kling_mcp.generation.draft import VideoDraft
from kling_mcp.generation.models import VideoModel
from kling_mcp.server.gallery import RESULTS_URI
from kling_mcp.server.tool import PAYS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._generating import PaidArguments, answer_generation, further_problems
from kling_mcp.server.views.generations import GenerationView

_MODELS = get_args(VideoModel)


class VideoArguments(PaidArguments):
    """A video request, flat."""

    MEDIA: ClassVar[frozenset[str]] = frozenset({"images", "first_frame", "last_frame"})
    SENTENCES: ClassVar[frozenset[str]] = frozenset({"shots"})

    prompt: str = Field("", description="@Name: that element; @image_1, @video_1: inputs. Empty with shots")
    elements: list[str] = Field(default_factory=list, description="Names or ids beside those in the prompt")
    images: list[str] = Field(default_factory=list, description="Paths, links or data: URIs")
    first_frame: str = Field("", description="Picture the clip begins with; sets its shape")
    last_frame: str = ""
    video_url: str = Field("", description="https link to mp4 or mov")
    video_use: Literal["feature", "base"] = Field("feature", description="feature: style, motion; base: edit it")
    shots: list[str] = Field(default_factory=list, description='Up to 6 cuts, such as "3: @Mia waves" (seconds)')
    # A text, because the operator may add models; `prepare` knows which there are.
    model: str = Field(_MODELS[0], json_schema_extra={"enum": [*_MODELS]})
    duration: int = Field(5, description="Seconds, 3 to 15; with shots their sum")
    aspect_ratio: Literal["16:9", "9:16", "1:1"] = "16:9"
    resolution: Literal["720p", "1080p", "4k"] = "720p"
    audio: Literal["off", "native", "original"] = Field("off", description="native: with sound")

    def draft(self) -> VideoDraft:
        """The same values; a duration or shape that was not given is left open."""
        given = self.model_fields_set
        return VideoDraft(
            prompt=self.prompt,
            elements=tuple(self.elements),
            images=tuple(self.images),
            first_frame=self.first_frame,
            last_frame=self.last_frame,
            video_url=self.video_url,
            video_use=self.video_use,
            shots=tuple(self.shots),
            model=self.model.strip().lower() or _MODELS[0],
            duration=self.duration if "duration" in given else None,
            aspect_ratio=self.aspect_ratio if "aspect_ratio" in given else None,
            resolution=self.resolution,
            audio=self.audio,
        )


@tool(
    "generate_video",
    title="Generate a video",
    annotations=PAYS,
    arguments=VideoArguments,
    view=GenerationView,
    page_uri=RESULTS_URI,
    extra_problems=partial(further_problems, VideoArguments),
)
async def generate_video(arguments: VideoArguments, call: ToolContext) -> Answer:
    """Make a video with elements and save it. Costs units: asks first."""
    return await answer_generation(arguments.draft(), arguments, call)
