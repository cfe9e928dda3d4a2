"""Everything that speaks Slack: the ways in, listeners, views, delivery, and people."""
