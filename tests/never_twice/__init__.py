"""The proof of "never twice, never lost": real client, real journal, simulated Kling, and every kind of misfortune."""
