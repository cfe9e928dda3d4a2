"""The proxy through which an address is called."""

import pytest

from bot.network import Network, is_loopback

PROXIES = {"http": "http://plain.test:1", "https": "http://secure.test:2"}


def directly(url: str, no_proxy: str) -> bool:
    """Return True if this address is called without a proxy."""
    return Network(proxies=PROXIES, no_proxy=tuple(no_proxy.split(","))).proxy_for(url) is None


@pytest.mark.parametrize(
    "url, proxy",
    [
        ("https://slack.com/api/", "http://secure.test:2"),
        ("wss://wss-primary.slack.com/link/?ticket=1", "http://secure.test:2"),
        ("http://gateway.test", "http://plain.test:1"),
        ("ws://gateway.test", "http://plain.test:1"),
        ("https://localhost:8443", None),
        ("http://127.1.2.3:9", None),
        ("https://[::1]:9", None),
    ],
)
def test_the_scheme_decides_about_the_proxy(url: str, proxy: str | None) -> None:
    """A connection by TLS has the proxy for https, and this machine has none."""
    assert Network(proxies=PROXIES).proxy_for(url) == proxy


@pytest.mark.parametrize(
    "no_proxy, url, direct",
    [
        ("*", "https://slack.com", True),
        ("slack.com", "https://slack.com", True),
        ("slack.com", "https://wss-primary.slack.com", True),
        (".slack.com", "https://slack.com", True),
        ("*.slack.com", "https://wss-primary.slack.com", True),
        ("SLACK.com", "https://Slack.com", True),
        ("slack.com.", "https://slack.com", True),
        ("slack.com", "https://notslack.com", False),
        ("slack.com", "https://slack.com.evil.test", False),
        ("lack.com", "https://slack.com", False),
        ("slack.com:443", "https://slack.com", True),
        ("slack.com:8443", "https://slack.com", False),
        ("slack.com:8443", "https://slack.com:8443", True),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("10.1.2.30", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.1/8", "https://10.1.2.3", True),
        ("11.0.0.0/8", "https://10.1.2.3", False),
        ("10.1.*", "https://10.1.2.3", True),
        ("2.3", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::1]", True),
        ("[fd00::1]", "https://[fd00::1]", True),
        ("fd00::1", "https://[fd00:0::1]:8443", True),
        ("fd00::2", "https://[fd00::1]", False),
        ("", "https://slack.com", False),
        (".", "https://slack.com", False),
        ("<local>,10.0.0.0/99", "https://slack.com", False),
        ("a.test,slack.com", "https://slack.com", True),
    ],
)
def test_no_proxy_names_hosts_addresses_and_networks(no_proxy: str, url: str, direct: bool) -> None:
    """A name means its subdomains too, and nothing that only ends in the same letters."""
    assert directly(url, no_proxy) is direct


@pytest.mark.parametrize("host, here", [("localhost", True), ("LOCALHOST", True), ("::1", True), ("10.0.0.1", False)])
def test_this_machine_has_few_names(host: str, here: bool) -> None:
    """Other names may be another machine's, whatever they are resolved to."""
    assert is_loopback(host) is here


def test_a_network_does_not_show_its_proxies() -> None:
    """There may be a password in the address of a proxy."""
    network = Network(proxies={"https": "http://desk:hunter2@proxy.test:1"})
    assert "hunter2" not in f"{network} {network!r}"


def test_the_log_gets_the_passwords_to_mask() -> None:
    """An error of a library may hold one as it is written in the address, or as it is meant."""
    assert Network(proxies={"https": "http://desk:p%40ss@proxy.test:1"}).secrets() == [
        *("ZGVzazpwQHNz", "p%40ss", "p@ss")
    ]
    assert Network(proxies={"https": "http://token@proxy.test:1"}).secrets() == ["dG9rZW46", "token"]
    assert Network(proxies=PROXIES).secrets() == []
