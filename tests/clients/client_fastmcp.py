"""fastmcp's client over stdio or http: list the tools, create and wait. Runs in an environment of its own."""

import asyncio
import json
import os
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

JOB = json.loads(Path(os.environ["JOB"]).read_text("utf-8"))


async def main() -> None:
    """Print what the client was told, as JSON."""
    transport = (
        StreamableHttpTransport(JOB["url"], headers=JOB["headers"])
        if JOB["url"]
        else StdioTransport(JOB["command"][0], JOB["command"][1:], env=JOB["env"])
    )
    async with Client(transport) as client:
        tools = await client.list_tools()
        result = await client.call_tool("create_element_and_wait", JOB["arguments"])
        revision = client.protocol_version
    told = {"structuredContent": result.structured_content, "isError": result.is_error}
    print(json.dumps({"revision": revision, "tools": [tool.name for tool in tools], "result": told}))


asyncio.run(main())
