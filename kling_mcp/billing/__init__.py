"""What an account has left, and what it spent. Reads only."""
