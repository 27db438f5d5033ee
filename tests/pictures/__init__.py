"""Tests of kling_mcp.pictures."""
