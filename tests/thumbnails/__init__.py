"""Tests of kling_mcp.thumbnails."""
