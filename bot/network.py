"""The way to Slack and to the gateway: which proxy an address is called through, and which certificates are trusted.

Every client gets this, because httpx, aiohttp and slack_sdk would each read the environment in their own way.
"""

import functools
import ipaddress
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

_SECURE = {"https", "wss"}


@functools.cache
def _trusted_here() -> ssl.SSLContext:
    """Return a context with the certificates that this system trusts. Reading them takes 20 ms."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Network:
    """The certificates to trust, the proxies' addresses for ``http`` and ``https``, and the hosts without a proxy.

    Without arguments it is the direct way, with the certificates that this system trusts. ``no_proxy`` has names (their
    subdomains count as well), IP addresses and networks, each perhaps with a port, or ``*``.
    """

    tls: ssl.SSLContext = field(default_factory=_trusted_here)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # there may be a password in it
    no_proxy: tuple[str, ...] = ()

    def proxy_for(self, url: str) -> str | None:
        """Return the address of the proxy for this ``http``, ``https``, ``ws`` or ``wss`` address; None for direct."""
        target = urlsplit(url)
        host = (target.hostname or "").rstrip(".")
        secure = target.scheme in _SECURE
        port = target.port or (443 if secure else 80)
        if is_loopback(host) or any(_names(entry, host, port) for entry in self.no_proxy):
            return None
        return self.proxies.get("https" if secure else "http")

    def secrets(self) -> list[str]:
        """Return what opens the proxies, as it is written, meant and sent, to mask in the log and in a proxy's words.

        Where there is no password, the name is one.
        """
        found: set[str] = set()
        for name, password in (
            (url.username or "", url.password or "") for url in map(urlsplit, self.proxies.values())
        ):
            if secret := password or name:
                found |= {secret, unquote(secret)}
                pair = f"{unquote(name)}:{unquote(password)}"
                found |= {b64encode(pair.encode(each, "replace")).decode() for each in ("utf-8", "latin-1")}
        return sorted(found)


def is_loopback(host: str) -> bool:
    """Return True for this machine itself. It has no way through a proxy, which would be another machine's loopback."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _names(entry: str, host: str, port: int) -> bool:
    """Return True if this entry of NO_PROXY means this host."""
    entry = entry.lower()
    address = _address(host)
    if address is not None and (network := _ip_network(entry)) is not None:
        return address in network
    found = re.fullmatch(r"(\[.*\]|[^:]*)(?::([0-9]+))?", entry)
    if found is not None:
        if found[2] is not None and int(found[2]) != port:
            return False
        entry = found[1].strip("[]")
    if address is not None:
        return _address(entry) == address or ("*" in entry and fnmatchcase(host, entry))
    name = entry.removeprefix("*.").strip(".") if entry != "*" else entry
    return bool(name) and (host == name or host.endswith(f".{name}") or ("*" in name and fnmatchcase(host, name)))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _ip_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
