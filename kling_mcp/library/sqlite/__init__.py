"""The local index as SQLite files."""
