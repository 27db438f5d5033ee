"""What a client tells its model about this server before any tool is called."""

from __future__ import annotations

from kling_mcp.server.tools import PAID, TOOLSETS

# Every conversation pays for it, so it holds only what no tool says. facts: no-update, library-web-separate
ELEMENTS = (
    "Kling elements are reusable subjects (a person, animal, object, costume or scene) for Kling AI videos "
    "and images; an element_id keeps the subject looking the same from shot to shot. Call find_elements before "
    "creating: the element may already exist. Create one with create_element_and_wait. Ids are text: never convert "
    "them to numbers. When a call fails, its last line says whether anything was created; repeating the same call with "
    "the same arguments never creates or pays anything twice. An element cannot be renamed, changed or given another "
    "voice: create a new one, then delete the old one. Elements made on Kling's web site are reported not to appear "
    "here, and these not there. Elements are free. "
)
GENERATING = (
    "Videos, images and voices cost units: tell the person the price that the first call gives, and go on only if they "
    "agree. Another result of the same request is another take."
)
NOT_GENERATING = (
    "This server makes no videos or images: send what use_elements gives to Kling's API, which answers with the video; "
    "prices are in Kling's console."
)


PRODUCING = (
    "For many shots with one cast, write a production sheet (kling://production-sheet) and call plan_production. "
)
SANDBOX = (
    "This is the sandbox, a simulated Kling: nothing costs money, nothing survives the end of this server, and results "
    "are small placeholders, whatever length and size were asked for. "
)


def instructions_for(tools: frozenset[str], *, is_sandbox: bool = False) -> str:
    """The instructions of a server with these tools."""
    makes = PAID & TOOLSETS["generate"] & tools
    produces = PRODUCING if "plan_production" in tools and makes else ""
    return (SANDBOX if is_sandbox else "") + ELEMENTS + produces + (GENERATING if makes else NOT_GENERATING)
