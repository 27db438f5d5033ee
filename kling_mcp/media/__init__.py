"""Pictures, videos and texts of a creation, before anything is sent.

Needs no network and no settings: usable on its own. Pillow is imported when the first picture is looked at.
"""

from kling_mcp.media.draft import ElementDraft, Picture, PreparedElement
from kling_mcp.media.limits import TAGS
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.media.preflight import prepare
from kling_mcp.media.texts import tag_id

__all__ = ["TAGS", "ElementDraft", "MediaPolicy", "Picture", "PreparedElement", "prepare", "tag_id"]
