"""What an operator looks at: log lines, traces and metrics, audit lines."""
