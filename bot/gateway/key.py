"""Trying the API key by a call that touches no order: the balance inquiry of version 1.4. Its answer is discarded.

An older gateway has no such call, and something on the way may answer in the gateway's place. Neither says anything
about the key.
"""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from bot.domain.attempt import Reason
from bot.gateway.body import Unread, read_object
from bot.gateway.shapes import is_whole, recognise
from bot.gateway.turned_away import read_denial

BALANCE_PATH = "/api/v1/payment-gateway/balance-inquiry"
_NO_SUCH_CALL = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
_DENIED = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class Trial(StrEnum):
    """The result of trying the key."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The gateway did not take the call; ``KeyTrial.reason`` says why, if it names a reason that is known."""
    NO_SUCH_CALL = "no_such_call"
    UNCLEAR = "unclear"
    """No answer that is the gateway's, or none that says anything about the key."""


@dataclass(frozen=True, slots=True)
class KeyTrial:
    """The result, with the status of the answer."""

    trial: Trial
    status: int
    reason: Reason | None = None


def read_trial(status: int, body: bytes, label: str = "") -> KeyTrial:
    """Return what the answer to a balance inquiry says about the key; ``label`` is the value of Content-Encoding."""
    if status in _NO_SUCH_CALL:
        return KeyTrial(Trial.NO_SUCH_CALL, status)
    try:
        said = recognise(read_object(body, label))
    except Unread:
        said = None
    if said is None:
        return KeyTrial(Trial.UNCLEAR, status)
    # The envelope has a status of its own, which some gateways send under HTTP 200.
    inner = said.body.get("statusCode")
    told = int(inner) if isinstance(inner, int) and is_whole(inner) else None
    if _DENIED & {status, told}:
        return KeyTrial(Trial.REFUSED, status, read_denial(said))
    # The balance itself is the proof, as a refusal may come under these statuses too.
    accepted = status == told == HTTPStatus.OK and not said.error and bool(said.data)
    return KeyTrial(Trial.ACCEPTED if accepted else Trial.UNCLEAR, status)
