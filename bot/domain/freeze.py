"""A freeze: an approver, or the operator, has stopped everything that could cancel an order."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Freeze:
    """The freeze that is in force.

    ``by`` is the actor of its event, ``name`` the name they go by as far as it is known, ``why`` their own words or
    empty.
    """

    by: str
    at: datetime
    why: str = ""
    name: str = ""
