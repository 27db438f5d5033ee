"""What both creating tools share: their arguments, and the way from arguments to a draft."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kling_mcp.media.draft import ElementDraft
from kling_mcp.server.arguments import ToolArguments


class CreationArguments(ToolArguments):
    """Section 4.1 of the API reference, flat."""

    element_name: str = Field(description="1 to 20 characters")
    element_description: str = Field(description="1 to 100 characters: looks, clothes, colours")
    reference_type: Literal["image_refer", "video_refer"] = Field(
        description="image_refer: made from 2 to 4 pictures; video_refer: from one short clip of a person"
    )
    frontal_image: str = Field(
        "", description="Front view: local path, file: URI, https link or data: URI; JPEG or PNG, 10 MB"
    )
    refer_images: list[str] = Field(
        default_factory=list, description="1 to 3 further views, same forms as frontal_image"
    )
    video_url: str = Field("", description="For video_refer: https link to an mp4 or mov of 3 to 8 s")
    element_voice_id: str = Field("", description="Voice to bind")
    tags: list[str] = Field(
        default_factory=list,
        description="Hottest, Character, Animal, Item, Costume, Scene, Effect, Others",
    )
    callback_url: str = Field("", description="https address that Kling calls on changes")
    external_task_id: str = Field(
        "", description="Leave empty; only a deliberate second copy of the same element needs its own"
    )
    allow_duplicate_name: bool = Field(False, description="Create although a ready element has this name")

    def draft(self) -> ElementDraft:
        """The same values for the media checks."""
        return ElementDraft(
            element_name=self.element_name,
            element_description=self.element_description,
            reference_type=self.reference_type,
            frontal_image=self.frontal_image,
            refer_images=tuple(self.refer_images),
            video_url=self.video_url,
            element_voice_id=self.element_voice_id,
            tags=tuple(self.tags),
            callback_url=self.callback_url,
            external_task_id=self.external_task_id,
        )
