"""The listeners, by what people do: asking, deciding, looking up, opening the Home tab.

A listener reads what Slack sent, runs one use case, acknowledges, and answers. Whatever changes state is committed
before the acknowledgement. Whatever takes time (opening a form, answering privately) runs in the background after it.
"""

from slack_bolt.async_app import AsyncApp

from bot.domain.policy import Act
from bot.slack.commands import CANCEL_ORDER
from bot.slack.listeners.asking import Asking
from bot.slack.listeners.deciding import Deciding
from bot.slack.listeners.evidence import EvidenceFiles
from bot.slack.listeners.home import HomeTabs
from bot.slack.listeners.leftovers import Leftovers
from bot.slack.listeners.looking_up import LookingUp
from bot.slack.listeners.parts import Parts
from bot.slack.views.modals import OrderForm

__all__ = ["EvidenceFiles", "HomeTabs", "Parts", "register"]


def register(app: AsyncApp, parts: Parts) -> None:
    """Bind every command, shortcut, form and button to Bolt's app.

    Bolt asks one listener after the other, and each question costs it as much as a twentieth of an acknowledgement. So
    the three acts of every request come first, and the catch-alls last.
    """
    deciding, asking = Deciding(parts), Asking(parts)
    app.action(str(Act.APPROVE))(deciding.approve)
    app.command(CANCEL_ORDER)(asking.cancel_order)
    app.view(OrderForm.CALLBACK)(asking.order_form)
    for listeners in (deciding, LookingUp(parts), asking, HomeTabs(parts), Leftovers(parts)):
        listeners.register(app)
