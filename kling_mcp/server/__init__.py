"""The MCP layer: arguments in, library calls, views out. The only part that imports `mcp`."""
