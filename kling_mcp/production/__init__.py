"""A production sheet: the cast and the shots of an episode in one file, and the lock file that says what was made."""
