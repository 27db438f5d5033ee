"""Fuzzers: whatever is sent to the server, from callers or from Kling, the answer is one of the contract's."""
