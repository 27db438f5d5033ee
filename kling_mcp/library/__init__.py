"""What is known locally of an account's elements. Reads from Kling, changes nothing there."""
