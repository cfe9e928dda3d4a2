"""The checks of the ways to other machines: the proxies and the certificates that are trusted."""

import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from bot.doctor.finding import Finding, ok
from bot.masking import path_shown
from bot.network import Network

_PROXIES = "HTTPS_PROXY, ALL_PROXY, NO_PROXY"


def check_ways(
    network: Network, addresses: Mapping[str, str], environ: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Yield how each of these addresses is reached, and what is trusted there. Wrong variables end the start before."""
    for whose, address in addresses.items():
        proxy = network.proxy_for(address)
        yield ok(f"way to {whose}", _PROXIES, f"through the proxy {_place(proxy)}" if proxy else "direct")
    added = [path_shown(environ[name]) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    state = "the authorities of this system" + (f", and those in {' and '.join(added)}" if added else "")
    yield ok("trusted certificates", "SSL_CERT_FILE, SSL_CERT_DIR", state)


def _place(proxy: str) -> str:
    """Return the proxy's address without its name and password."""
    url = urlsplit(proxy)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
