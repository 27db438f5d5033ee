"""Results of paid tasks, saved to disk so that nothing that was paid for is lost.

Links of Kling end after 30 days (fact: outputs-30-days), so a finished task is saved by whichever call sees it first.
A file appears under its name only when it is whole, never in place of another, and once for each result, whatever
processes save at the same time or are killed on the way.

Nothing here knows MCP, the journal or the settings. httpx is imported at the first download.
"""
