"""The commands of a shell, apart from the servers."""
