"""What a generation request needs for elements: limits of routes and models, ids, handles, JSON to paste."""
