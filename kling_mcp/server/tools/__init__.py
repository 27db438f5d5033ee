"""The tools, one file each, in the order in which clients see them."""

from __future__ import annotations

from kling_mcp.server.tools._base import ToolSpec
from kling_mcp.server.tools.check_setup import check_setup
from kling_mcp.server.tools.create_element import create_element
from kling_mcp.server.tools.create_element_and_wait import create_element_and_wait
from kling_mcp.server.tools.delete_element import delete_element
from kling_mcp.server.tools.find_elements import find_elements
from kling_mcp.server.tools.find_voices import find_voices
from kling_mcp.server.tools.get_element import get_element
from kling_mcp.server.tools.list_elements import list_elements
from kling_mcp.server.tools.list_preset_elements import list_preset_elements
from kling_mcp.server.tools.use_elements import use_elements
from kling_mcp.server.tools.wait_for_elements import wait_for_elements

TOOLS: tuple[ToolSpec, ...] = (
    create_element_and_wait,
    create_element,
    wait_for_elements,
    find_elements,
    get_element,
    list_elements,
    list_preset_elements,
    use_elements,
    find_voices,
    delete_element,
    check_setup,
)
