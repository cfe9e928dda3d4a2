"""The settings that change what people read in Slack, and nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Presentation:
    """``contact`` is the id of the channel, user group or person to ask for help, ``order_id_example`` an order id."""

    contact: str | None = None
    order_id_example: str | None = None
