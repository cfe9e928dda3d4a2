"""The payment gateway's HTTP API.

``client`` makes the call, ``answer`` holds the meaning of each HTTP status (such as 409), and ``refusal`` reads the
reason from the words of a no. ``docs/gateway.md`` has the facts about the gateway that they rest on.
"""

from bot.gateway.client import GatewayClient, GatewayUnreachable

__all__ = ["GatewayClient", "GatewayUnreachable"]
