"""Commands that are too large for `cli`, each with its options and what it does. They print nothing themselves."""
