"""An MCP client and the server in one process: list the tools, create an element, watch the progress.

    python examples/mcp_client.py

`build_server` is all that an application needs in order to embed the server; nothing listens anywhere.
"""

from __future__ import annotations

import anyio
from mcp import Client
from mcp_types import TextContent

from kling_mcp import Clock, Runtime, Settings
from kling_mcp.server.build import build_server

ARGUMENTS = {
    "element_name": "Mia",
    "element_description": "Barista, short red hair, green apron",
    "reference_type": "image_refer",
    "frontal_image": "https://example.com/mia-front.png",
    "refer_images": ["https://example.com/mia-side.png"],
    "tags": ["Character"],
}


async def main(clock: Clock | None = None) -> None:
    """`clock` lets a test play the wait in virtual seconds."""
    settings = Settings(sandbox=True)
    server = build_server(settings, Runtime(settings, clock=clock))
    async with Client(server) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        print(f"The server offers {', '.join(sorted(tools))}")
        assert "create_element_and_wait" in tools

        reports: list[float] = []

        async def watch(progress: float, total: float | None, message: str | None) -> None:
            reports.append(progress)
            print(f"   {message}")

        created = await client.call_tool("create_element_and_wait", ARGUMENTS, progress_callback=watch)
        assert not created.is_error
        assert created.structured_content is not None
        assert reports == sorted(set(reports)), "progress only rises"
        print(f"element_ids: {created.structured_content['element_ids']}")

        refused = await client.call_tool("create_element", {**ARGUMENTS, "element_name": "M" * 21})
        [told] = refused.content
        assert refused.is_error
        assert isinstance(told, TextContent)
        print(f"A name that is too long is refused before anything is sent:\n{told.text}")


if __name__ == "__main__":
    anyio.run(main)
