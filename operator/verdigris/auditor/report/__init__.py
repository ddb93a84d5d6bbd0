"""The report of a period: `story` finds in the log what it tells (pure), `page` writes it."""
