"""The payment gateway's HTTP API.

``client`` makes the call. ``body`` reads the bytes, ``shapes`` tells whether an answer is the gateway's own,
``confirmation`` and ``refusal`` read a yes and the reason of a no, and ``answer`` holds the outcome of each. ``key``
tries the API key by a call that touches no order.
``docs/gateway.md`` has the facts about the gateway that they rest on.
"""

from bot.gateway.client import GatewayClient, GatewayUnreachable
from bot.gateway.key import KeyTrial, Trial

__all__ = ["GatewayClient", "GatewayUnreachable", "KeyTrial", "Trial"]
