"""For operators: log lines, traces and metrics, audit lines."""
