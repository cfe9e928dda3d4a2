"""The contents of events: each is read back as it was written, in a format that does not change unseen."""

from dataclasses import fields
from typing import Any, get_args

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from bot.domain import events
from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import NEXT, State
from bot.domain.events import (
    KINDS,
    Approved,
    Cancelled,
    Content,
    QuorumChanged,
    RequestRefused,
    SettledCancelled,
    SettledNotCancelled,
    Started,
    VotesVoided,
    Withdrawn,
    from_json,
    to_json,
)
from bot.domain.policy import Verdict
from bot.workflow.transitions import Ending

# UTF-8, and so SQLite, has no lone surrogates; JSON has no infinities.
st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"])))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def any_of(kind: type[Any]) -> st.SearchStrategy[Content]:
    """Return a strategy for events of this class, with any value in every field."""
    return st.builds(kind, **{each.name: st.from_type(each.type) for each in fields(kind)})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was_written(kind: str, data: st.DataObject) -> None:
    """Each class survives its JSON with any content."""
    content = data.draw(any_of(KINDS[kind]))
    again = from_json(kind, to_json(content))
    assert again == content
    assert type(again) is type(content)


def test_every_event_has_a_kind_of_its_own() -> None:
    """Two classes never share a kind, or one would be read as the other."""
    contents = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Content)]
    classes = [each for each in contents if "kind" in vars(each)]
    assert {each.kind: each for each in classes} == KINDS
    assert len(classes) == len(KINDS) == 23


def test_events_that_end_a_cancellation_are_named_for_their_states() -> None:
    """The last step of a cancellation and its event have one name, and every state that ends one has an event."""
    # A confirmation that comes late follows an end as well.
    ends = {state for state, following in NEXT.items() if following <= {State.CANCELLED} or state.may_retry}
    assert {State(each.kind) for each in get_args(Ending)} == ends
    assert set(get_args(Ending)) <= set(KINDS.values())


def test_the_json_of_a_start() -> None:
    """The format of the record: an object without spaces, as readable text, without the fields that say nothing."""
    started = Started(
        "2.0",
        approvers=("U1", "S2"),
        approvals_required=2,
        approval_ttl_seconds=3600,
        order_id_pattern="ord_é",
        dvpay_base_url="https://dvpay.example",
    )
    assert to_json(started) == (
        '{"version":"2.0","approvers":["U1","S2"],"approvals_required":2,"approval_ttl_seconds":3600,'
        '"order_id_pattern":"ord_é","dvpay_base_url":"https://dvpay.example"}'
    )


def test_the_json_of_a_cancelled_order() -> None:
    """Codes are kept as their values, and the gateway's answer with the fields that it has."""
    answer = Answer(
        Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED, http_status=409, message='"no"', request_id="req_1"
    )
    assert to_json(Cancelled(2, answer, confirmed_by_repeat=True)) == (
        '{"attempt":2,"answer":{"outcome":"refused","reason":"already_cancelled","http_status":409,'
        '"message":"\\"no\\"","request_id":"req_1"},"confirmed_by_repeat":true}'
    )


@pytest.mark.parametrize(
    "content, data",
    [
        (Withdrawn(), "{}"),
        (Approved(approvals=1, of=1), '{"approvals":1,"of":1}'),
        (RequestRefused(Verdict.BAD_ORDER_ID, asked_for="what?"), '{"why":"bad_order_id","asked_for":"what?"}'),
        (VotesVoided(("U1", "U2")), '{"approvers":["U1","U2"]}'),
        (QuorumChanged(before=2, now=1), '{"before":2,"now":1}'),
        (SettledCancelled("the console says so"), '{"how":"the console says so"}'),
        (SettledNotCancelled(""), '{"how":""}'),
    ],
)
def test_the_json_of_small_events(content: Content, data: str) -> None:
    """A field without a default is always there."""
    assert to_json(content) == data


def test_an_answer_is_kept_whole() -> None:
    """Every field of an answer is read back from its event."""
    answer = Answer(
        Outcome.UNKNOWN,
        repeat=True,
        retry_after=7.5,
        reason=Reason.OTHER,
        trouble=Trouble.TOO_LONG,
        trouble_about="64",
        http_status=200,
        code="code",
        message="message",
        request_id="req_1",
        cancelled_at="2026-11-23",
    )
    assert all(getattr(answer, each.name) != each.default for each in fields(Answer))
    assert from_json("cancelled", to_json(Cancelled(1, answer))) == Cancelled(1, answer)


@pytest.mark.parametrize(
    "kind, data, error",
    [
        ("from_the_future", "{}", KeyError),
        ("approved", '{"approvals":1}', ValidationError),
        ("cancelled", '{"attempt":1,"answer":{"outcome":"perhaps"}}', ValidationError),
        ("withdrawn", "no JSON", ValidationError),
    ],
)
def test_foreign_data_is_refused(kind: str, data: str, error: type[Exception]) -> None:
    """A kind or data that this version does not know raises an error."""
    with pytest.raises(error):
        from_json(kind, data)
