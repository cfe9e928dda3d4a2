"""The words for a request whose card is not in Slack: what is wrong, in which channel, and what to do.

One text for one cause, for the receipt and for the direct message that tells it where the receipt is out already.
"""

from dataclasses import replace

from bot.domain import policy
from bot.domain.attempt import Trouble
from bot.domain.cancellation import State
from bot.domain.delivery import MissingCard
from bot.domain.policy import Verdict
from bot.domain.request import Request
from bot.slack.views import buttons, orders, outcomes
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import Element, Message, addressed, escape, lines, mrkdwn, person, words

_SHOWN_IN_TEXT = 200


def as_read(request: Request, missing: MissingCard | None) -> Request:
    """Return this request for people who do not find its card as it must be, if it is ``missing`` or out of date."""
    return replace(request, has_card=missing is None)


def heading(missing: MissingCard) -> str:
    """Return what that means for the request, with its sign."""
    if missing.outdated:
        in_doubt = "⚠️ I can't tell whether your request's card is up to date"
        return in_doubt if missing.in_doubt else "⚠️ Your request's card is out of date"
    if missing.given_up:
        return "⚠️ Your request has no card"
    return "⚠️ I can't tell whether your request has a card" if missing.in_doubt else "⚠️ Your request has no card yet"


def rows(
    request: Request, missing: MissingCard, bot_user_id: str, presentation: Presentation = NO_SETTINGS
) -> list[list[Element]]:
    """Return lines with the channel, the cause and the next step; the channel and the bot are links."""
    contact = presentation.contact
    # Every word of these lines is our own.
    return [
        [part for each in row for part in (addressed(each["text"], contact) if each["type"] == "text" else [each])]
        for row in _rows(request, missing, bot_user_id)
    ]


def _rows(request: Request, missing: MissingCard, bot_user_id: str) -> list[list[Element]]:
    channel: Element = {"type": "channel", "channel_id": request.card_channel}
    meanwhile = _without_a_card(request)
    if missing.outdated:
        begins = (
            "I can't tell whether the approval card in " if missing.in_doubt else "I can't bring the approval card in "
        )
        why = f"{' is' if missing.in_doubt else ''} up to date ({outcomes.delivery_problem(missing.problem)})."
        return [[words(begins), channel, words(f"{why} {_on_the_card(request)} Tell the bot's operator.")]]
    if missing.given_up:
        expires = " If nobody decides, the request expires." if request.state is State.PENDING else ""
        why = f" ({outcomes.delivery_problem(missing.problem)}), so {meanwhile}. Tell the bot's operator.{expires}"
        return [[words("The approval card can't be posted in "), channel, words(why)]]
    if missing.in_doubt:
        return [
            [
                words("I can't tell whether the approval card is in "),
                channel,
                words(f": {outcomes.delivery_problem(missing.problem)}. I go on trying."),
            ],
            [words(f"If you don't see it there, {meanwhile}.")],
        ]
    return [
        [words("I can't post the approval card in "), channel, words(". "), *_why(missing.problem, bot_user_id)],
        [words(f"The card will appear by itself once I can post there. Until then {meanwhile}.{_elsewhere(request)}")],
    ]


def message(
    request: Request, missing: MissingCard, bot_user_id: str, presentation: Presentation = NO_SETTINGS
) -> Message:
    """Return a message that says only this."""
    about = [words(heading(missing), bold=True), words(" · "), *orders.named(request)]
    said = rows(request, missing, bot_user_id, presentation)
    order = escape(orders.phrase(request, _SHOWN_IN_TEXT))
    return Message(f"{heading(missing)} · {order}. {' '.join(map(mrkdwn, said))}", [lines(about, *said)])


def _on_the_card(request: Request) -> str:
    """Return what people can do on a card that is out of date, and where they can do it without."""
    if not policy.needs_card(request):
        return "Whatever it still asks for, nobody can do it any more."
    if request.state is State.PENDING:
        return "Approvers can decide on their Home tabs, and on the card as long as they find it."
    home = ""
    if buttons.between_attempts(request):
        home = f" You can stop {_what_can_be_stopped(request)} on your Home tab."
    elif _may_be_settled(request):
        home = " Approvers can go on with it on their Home tabs."
    return f"It may lack the buttons for what can be done now.{home}"


def _without_a_card(request: Request) -> str:
    """Return what is possible for people and what is not, as a clause."""
    if request.state is State.PENDING:
        return "approvers can decide on their Home tabs only"
    if request.under_way:
        alone = buttons.between_attempts(request)
        where = "on your receipt or your Home tab"
        return f"only you can stop {_what_can_be_stopped(request)}, {where}" if alone else "nobody can stop it"
    if _may_be_settled(request):
        return "approvers can go on with it on their Home tabs only"
    return "nobody can press Retry"


def _what_can_be_stopped(request: Request) -> str:
    """Return that of several orders only those are meant of which certainly nothing was done."""
    return "what can still be stopped of it" if request.several else "it"


def _may_be_settled(request: Request) -> bool:
    return not request.under_way and any(each.state is State.UNKNOWN for each in request.cancellations)


def _elsewhere(request: Request) -> str:
    """Return what to do where another channel is the remedy: the card of a request keeps its channel."""
    if request.state is not State.PENDING:
        return ""
    return " If the cards go to another channel by now, withdraw this request and ask again."


_ASK_ELSEWHERE = "Withdraw it, and ask again in a channel of your own company."


def _why(problem: str, bot_user_id: str) -> list[Element]:  # noqa: PLR0911 -- a table of texts
    match problem:
        case "channel_not_found":
            return [
                words("I can't see it: I am not a member, or it no longer exists. Type /invite "),
                person(bot_user_id),
                words(" there, or tell the bot's operator."),
            ]
        case "not_in_channel":
            return [words("I am not a member of it. Type /invite "), person(bot_user_id), words(" there.")]
        case Trouble.RECORD_CONTRADICTS:
            return [words("The bot's database contradicts its record of this request. Tell the bot's operator.")]
        case Verdict.SHARED_CHANNEL:
            return [words(f"It is shared with another company, whose people would read your request. {_ASK_ELSEWHERE}")]
        case "channel_not_checked":
            return [words("Slack does not tell me whether it is shared with another company. I go on asking.")]
        case Verdict.DIRECT_MESSAGE:
            return [words(f"It is a direct message, where nobody else can decide. {_ASK_ELSEWHERE}")]
        case "is_archived" | "is_inactive":
            return [words("It is archived. Ask somebody to unarchive it.")]
        case problem if problem.startswith(("restricted_action", "no_permission")):
            return [words("I may not post there. Ask the workspace's admins to let me.")]
        case problem:
            return [words(f"Slack refuses it ({problem}). Tell the bot's operator.")]
