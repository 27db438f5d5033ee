"""Elements: what a caller asks for, the rules for it, and how one is created and deleted."""
