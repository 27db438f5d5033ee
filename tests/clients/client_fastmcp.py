"""fastmcp's client over stdio: list the tools, create and wait. Runs in an environment of its own."""

import asyncio
import json
import os

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

JOB = json.loads(os.environ["JOB"])


async def main() -> None:
    """Print what the client was told, as JSON."""
    transport = StdioTransport(JOB["command"][0], JOB["command"][1:], env=JOB["env"])
    async with Client(transport) as client:
        tools = await client.list_tools()
        result = await client.call_tool("create_element_and_wait", JOB["arguments"])
    told = {"structuredContent": result.structured_content, "isError": result.is_error}
    print(json.dumps({"tools": [tool.name for tool in tools], "result": told}))


asyncio.run(main())
