"""`generate_image`: pictures with elements, paid once, ending in files."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from kling_mcp.generation.draft import ImageDraft
from kling_mcp.server.gallery import RESULTS_URI
from kling_mcp.server.tool import PAYS, Answer, tool
from kling_mcp.server.tool_context import ToolContext
from kling_mcp.server.tools._generating import PaidArguments, answer_generation, further_problems
from kling_mcp.server.views.generations import GenerationView


class ImageArguments(PaidArguments):
    """A picture request, flat."""

    MEDIA: ClassVar[frozenset[str]] = frozenset({"images"})

    prompt: str = Field(description="@Name: that element; @image_1: first of images")
    elements: list[str] = Field(default_factory=list, description="Names or ids beside those in the prompt")
    images: list[str] = Field(default_factory=list, description="Paths, links or data: URIs")
    model: Literal["3.0-omni", "3.0", "o1"] = "3.0-omni"
    count: int = Field(1, ge=1, le=9)
    aspect_ratio: str = Field("", description="16:9, 9:16, 1:1, 4:3, 3:4, 3:2, 2:3, 21:9, auto")
    resolution: Literal["1k", "2k", "4k"] = "1k"

    def draft(self) -> ImageDraft:
        """The same values."""
        return ImageDraft(
            prompt=self.prompt,
            elements=tuple(self.elements),
            images=tuple(self.images),
            model=self.model,
            count=self.count,
            aspect_ratio=self.aspect_ratio.strip() or None,
            resolution=self.resolution,
        )


@tool(
    "generate_image",
    title="Generate pictures",
    annotations=PAYS,
    arguments=ImageArguments,
    view=GenerationView,
    page_uri=RESULTS_URI,
    extra_problems=partial(further_problems, ImageArguments),
    search_hint="photo still",
)
async def generate_image(arguments: ImageArguments, call: ToolContext) -> Answer:
    """Make pictures with elements and save them. Costs units: asks first."""
    return await answer_generation(arguments.draft(), arguments, call)
