"""The shapes of the ids that people type and Slack sends, each spelled once.

Source of the prefixes: https://docs.slack.dev/reference/objects/user-object (U and W),
https://docs.slack.dev/reference/objects/usergroup-object (S),
https://docs.slack.dev/reference/objects/conversation-object (C, D and G).
All are regular expressions for a whole match.
"""

import re
import unicodedata

USER_ID = "[UW][A-Z0-9]{1,30}"
GROUP_ID = "S[A-Z0-9]{1,30}"
CHANNEL_ID = "[CDG][A-Z0-9]{1,30}"
ORDER_ID = "[A-Za-z0-9_-]{1,64}"
"""The default of the setting ORDER_ID_PATTERN."""
EXAMPLE = "ord_1001"
"""An order id that fits this default."""
_NOT_SHOWN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
"""Unicode's categories of controls, of what has no meaning, and of ends of lines."""
LONGEST_ORDER_ID = 255
"""Characters. The time that a pattern takes depends on the length of the text, and people can paste anything."""


def is_order_id(pattern: re.Pattern[str], text: str) -> bool:
    """Return True where the whole text fits the pattern of the setting ORDER_ID_PATTERN, and every character is read.

    A pattern such as ``.+`` lets controls through, which no message shows: the gateway would get more than the
    approvers read.
    """
    if len(text) > LONGEST_ORDER_ID or pattern.fullmatch(text) is None:
        return False
    return text.isprintable() or not any(unicodedata.category(each) in _NOT_SHOWN for each in text)
