"""The payment gateway's HTTP API."""

from bot.gateway.client import GatewayClient, GatewayUnreachable

__all__ = ["GatewayClient", "GatewayUnreachable"]
