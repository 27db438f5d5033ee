"""Tests of `kling_mcp.media`. A package, so that the tests can share `pictures`."""
