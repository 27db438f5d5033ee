"""Time, shutdown, background work, a serial worker thread, back-off and call limits.

General tools that every room may use.
"""
