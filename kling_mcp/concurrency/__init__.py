"""Time, shutdown, background work, a thread that works in turn, back-off and call limits.

It is what every room may need, about no subject of its own.
"""
