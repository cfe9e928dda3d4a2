"""Ask, approve, cancel an order at the payment gateway, and prove it later: a desk in Slack."""

__version__ = "0.1.0"
