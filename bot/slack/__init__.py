"""Everything that speaks Slack: listeners, views, delivery, people, and the connection."""
