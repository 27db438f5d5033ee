"""Never twice, never lost, at scale: thousands of wishes over two real servers that are killed all the time."""
