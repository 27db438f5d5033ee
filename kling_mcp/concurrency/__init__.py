"""Time, shutdown, background work, back-off and call limits: what every room may need, about no subject of its own."""
