"""The local index of an account's elements and voices. Reads from Kling, changes nothing there."""
