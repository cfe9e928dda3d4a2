"""A local Slack and a local payment gateway: real servers on loopback, as strict as the real ones."""
