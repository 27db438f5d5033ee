"""`kling-mcp demo`: a real MCP client uses the real server and shows it at a terminal.

It prints, and knows only the server's tools: it never imports `kling_mcp.server`.
"""
