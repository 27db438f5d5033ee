"""What a generation request needs to name elements: limits of routes and models, ids, handles, JSON to paste."""
