"""`kling-mcp demo`: the main job for somebody at a terminal, played by a real MCP client on the real server.

It prints, and knows the server by its tools alone: it never imports `kling_mcp.server`.
"""
