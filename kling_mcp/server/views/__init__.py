"""What callers see: views, each with a short text that states the same facts."""
