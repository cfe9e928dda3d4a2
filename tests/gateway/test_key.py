"""What the answer to a balance inquiry says about the API key."""

import json

import pytest

from bot.domain.attempt import Reason
from bot.gateway.key import KeyTrial, Trial, read_trial
from bot.sandbox.gateway_answers import balance, error

DENIED = {"statusCode": 401, "message": "Invalid API key", "code": "INVALID_API_KEY", "traceId": "t1"}


def sent(body: object) -> bytes:
    """Return a body as it is on the wire."""
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "status, body, result",
    [
        pytest.param(200, sent(balance()), KeyTrial(Trial.ACCEPTED, 200), id="the documented yes"),
        pytest.param(
            200,
            sent(balance() | {"message": "Invalid API key", "data": None}),
            KeyTrial(Trial.UNCLEAR, 200),
            id="no balance in it",
        ),
        pytest.param(200, b"<html>Sign in</html>", KeyTrial(Trial.UNCLEAR, 200), id="a page"),
        pytest.param(200, b"{}", KeyTrial(Trial.UNCLEAR, 200), id="somebody else's JSON"),
        pytest.param(200, sent({"balance": "1"}), KeyTrial(Trial.UNCLEAR, 200), id="not the gateway's form"),
        pytest.param(201, sent(balance()), KeyTrial(Trial.UNCLEAR, 201), id="two statuses"),
        pytest.param(
            401,
            error(401, "INVALID_API_KEY", "X-Api-Key is missing or wrong.").body,
            KeyTrial(Trial.REFUSED, 401, Reason.CREDENTIALS),
            id="the error object",
        ),
        pytest.param(401, sent(DENIED), KeyTrial(Trial.REFUSED, 401), id="the envelope"),
        pytest.param(
            403,
            error(403, "ODD", "Ask your manager about order ord_1.").body,
            KeyTrial(Trial.REFUSED, 403),
            id="a no of the gateway's without a reason that is known",
        ),
        pytest.param(401, b"<html>Login</html>", KeyTrial(Trial.UNCLEAR, 401), id="a proxy's no"),
        pytest.param(404, b"", KeyTrial(Trial.NO_SUCH_CALL, 404), id="an older gateway"),
        pytest.param(405, b"", KeyTrial(Trial.NO_SUCH_CALL, 405), id="another method"),
        pytest.param(
            429, error(429, "RATE_LIMIT_EXCEEDED", "Too many requests.").body, KeyTrial(Trial.UNCLEAR, 429), id="later"
        ),
        pytest.param(503, b"", KeyTrial(Trial.UNCLEAR, 503), id="maintenance"),
        pytest.param(200, b"\x1f\x8bbroken", KeyTrial(Trial.UNCLEAR, 200), id="a body that cannot be read"),
    ],
)
def test_only_the_gateways_own_words_count(status: int, body: bytes, result: KeyTrial) -> None:
    """A key is accepted or refused only in the gateway's form; everything else says nothing about it."""
    assert read_trial(status, body) == result


def test_an_envelope_that_says_no_under_200_is_a_no() -> None:
    """Some servers keep the status to the body."""
    assert read_trial(200, sent(DENIED)).trial is Trial.REFUSED
