"""State that several replicas share, in PostgreSQL; needs the extra `postgres`."""
