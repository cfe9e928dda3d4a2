"""The worker: the gateway calls and the messages that the store says are due."""

from bot.worker.worker import Worker

__all__ = ["Worker"]
