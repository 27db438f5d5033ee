"""Kling's Elements API as a plain async library; knows nothing of MCP."""
