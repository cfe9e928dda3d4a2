"""Everything that people read in Slack. All sentences are here; the rest of the bot has codes and parameters."""
