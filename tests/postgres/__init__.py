"""State in PostgreSQL, on a real server from the distribution's packages that the tests start themselves."""
