"""The shapes of the ids that people type and Slack sends, each spelled once.

Source of the prefixes: https://docs.slack.dev/reference/objects/user-object (U and W),
https://docs.slack.dev/reference/objects/usergroup-object (S),
https://docs.slack.dev/reference/objects/conversation-object (C, D and G).
All are regular expressions for a whole match.
"""

USER_ID = "[UW][A-Z0-9]{1,30}"
GROUP_ID = "S[A-Z0-9]{1,30}"
CHANNEL_ID = "[CDG][A-Z0-9]{1,30}"
ORDER_ID = "[A-Za-z0-9_-]{1,64}"
"""The default of the setting ORDER_ID_PATTERN."""
