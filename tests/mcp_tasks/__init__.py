"""Tasks: calls that leave a handle, and handles that outlive the server."""
