"""Elements: what a caller requests, its rules, and how elements are created and deleted."""
