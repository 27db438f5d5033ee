"""What a caller requests, and what may be sent: input and output of `preflight`.

Plain data: nothing is read, checked or sent here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_mcp.media.picture import Picture


@dataclass(frozen=True, slots=True)
class ElementDraft:
    """The creation arguments of the contract as plain values; "" and () mean not given."""

    element_name: str
    element_description: str
    reference_type: str
    frontal_image: str = ""
    refer_images: tuple[str, ...] = ()
    video_url: str = ""
    element_voice_id: str = ""
    tags: tuple[str, ...] = ()
    callback_url: str = ""
    external_task_id: str = ""


@dataclass(frozen=True, slots=True)
class PreparedElement:
    """A valid creation in normal form. `warnings` are sentences for the caller."""

    element_name: str
    element_description: str
    reference_type: str
    frontal_image: Picture | None = None
    refer_images: tuple[Picture, ...] = ()
    video_url: str = ""
    element_voice_id: str = ""
    tag_ids: tuple[str, ...] = ()
    callback_url: str = ""
    external_task_id: str = ""
    warnings: tuple[str, ...] = ()

    def body(self) -> dict[str, object]:
        """The body as Kling takes it: documented fields only, no empty optional ones. fact: create-fields

        A picture that is not a link is included as `bytes`, so that its Base64, a third larger, is never in memory.
        """
        body: dict[str, object] = {
            "element_name": self.element_name,
            "element_description": self.element_description,
            "reference_type": self.reference_type,
        }
        if self.frontal_image is not None:
            body["element_image_list"] = {
                "frontal_image": self.frontal_image.wire(),  # fact: frontal-is-string
                "refer_images": [{"image_url": picture.wire()} for picture in self.refer_images],
            }
        if self.video_url:
            body["element_video_list"] = {"refer_videos": [{"video_url": self.video_url}]}
        if self.tag_ids:
            body["tag_list"] = [{"tag_id": tag} for tag in self.tag_ids]
        optional = {
            "element_voice_id": self.element_voice_id,
            "callback_url": self.callback_url,
            "external_task_id": self.external_task_id,
        }
        body.update({field_name: value for field_name, value in optional.items() if value})
        return body
