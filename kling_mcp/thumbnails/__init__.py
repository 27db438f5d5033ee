"""Thumbnails of elements: from uploaded pictures, otherwise from Kling's links.

Every link is treated as hostile: anyone who can write to the library may have put it there.
Nothing here knows MCP or can make a creation or a search fail: a picture that cannot be shown becomes a note.
Pillow and httpx are imported when the first picture is needed.
"""
