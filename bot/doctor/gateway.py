"""The checks of the gateway: whether it can be reached, its clock, and the API key."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from bot.doctor.finding import Finding, ok, problem, unknown
from bot.domain.attempt import Reason, Trouble
from bot.gateway import GatewayClient, GatewayUnreachable, KeyTrial, Trial
from bot.network import Network
from bot.settings import Settings
from bot.wording import span, trouble

CLOCKS_MAY_DIFFER = timedelta(seconds=60)
"""The gateway rejects timestamps that are five minutes off; this leaves time to set a clock that drifts."""


async def check_gateway(settings: Settings, network: Network) -> AsyncIterator[Finding]:
    """Yield what is found about the gateway. Nothing is asked about an order."""
    gateway = GatewayClient(
        base_url=settings.dvpay_base_url,
        api_key=settings.dvpay_api_key,
        app_id=None,  # it goes with a request only
        now=lambda: datetime.now(UTC),
        network=network,
    )
    try:
        yield _clock(await gateway.reach())
        yield _key(await gateway.try_key())
    except GatewayUnreachable as error:
        yield _unreachable(error, proxied=network.proxy_for(settings.dvpay_base_url) is not None)
    finally:
        await gateway.aclose()


def _unreachable(error: GatewayUnreachable, *, proxied: bool) -> Finding:
    if error.trouble is Trouble.CERTIFICATE:
        remedy = "Check also DVPAY_BASE_URL, the clock, and what stands between this machine and the gateway."
    elif proxied:
        remedy = "Check the proxy in HTTPS_PROXY or ALL_PROXY, NO_PROXY, and DVPAY_BASE_URL."
    else:
        remedy = "Check DVPAY_BASE_URL, the network and the firewall."
    return problem("gateway", "DVPAY_BASE_URL", trouble(error.trouble, error.about), remedy)


def _clock(theirs: datetime | None) -> Finding:
    if theirs is None:
        return ok("gateway", "DVPAY_BASE_URL", "reachable, but its answer has no date to compare clocks with")
    apart = abs(theirs - datetime.now(UTC))
    if apart > CLOCKS_MAY_DIFFER:
        state = f"its clock and this machine's are {span(apart)} apart; above 300 s it rejects calls"
        return problem("gateway", "DVPAY_BASE_URL", state, "Set this machine's clock (NTP).")
    return ok("gateway", "DVPAY_BASE_URL", f"reachable, clocks {span(apart)} apart")


def _key(found: KeyTrial) -> Finding:
    subject, setting = "API key", "DVPAY_API_KEY"
    match found.trial, found.reason:
        case Trial.ACCEPTED, _:
            return ok(subject, setting, "the gateway accepts it for a balance inquiry")
        case Trial.REFUSED, Reason.CLOCK:
            state = "the gateway did not accept the time of the call"
            return problem(subject, setting, state, "Set this machine's clock (NTP).")
        case Trial.REFUSED, Reason.CREDENTIALS:
            return problem(subject, setting, "the gateway rejects it", "Copy DVPAY_API_KEY from the gateway's console.")
        case Trial.REFUSED, _:
            state = f"the gateway turned the call away (HTTP {found.status})"
            remedy = "Check DVPAY_API_KEY, and ask the gateway's support what this account and this address may do."
            return problem(subject, setting, state, remedy)
        case Trial.NO_SUCH_CALL, _:
            state = "not tried: this gateway has no balance inquiry, and no other call that touches no order"
            return unknown(subject, setting, state, "Cancel a test order to try it.")
        case _:
            state = f"not known: the answer to a balance inquiry says nothing about it (HTTP {found.status})"
            return unknown(subject, setting, state, "Run doctor again later, or cancel a test order to try it.")
