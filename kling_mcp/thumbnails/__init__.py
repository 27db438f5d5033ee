"""Small pictures of elements: what we uploaded, else what Kling's links lead to.

Every link is treated as hostile: it may have come from anybody who could write into the library.
Nothing here knows MCP, and nothing here can make a creation or a search fail: what cannot be shown is a note.
Pillow and httpx are imported when the first picture is needed.
"""
