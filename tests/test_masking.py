"""Telling secrets from other values."""

import pytest

from bot.masking import looks_secret, masked, path_shown, shown

SECRETS = [
    "xoxb-1-2-abc",
    "XOXP-1",
    "xoxe.xoxp-1-abc",
    "xapp-1-A0-1-abc",
    "see xoxb-1 here",
    "-----BEGIN PRIVATE KEY-----\nMII",
    "postgresql://user:hunter2@host/db",
    "https://token@host",
    "8f742231b10e8888abcd99yyyzzz85a5",
    "0123456789abcdef0123456789abcdef",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "c2VjcmV0IHNlY3JldCBzZWNyZXQ9PQ==",
]
PLAIN = [
    "U012AB3CD,S045EF6GH",
    "[A-Za-z0-9_-]{1,64}",
    "ord_[0-9a-f]{32}",
    "https://merchant.dv.vai247.pro",
    "sqlite:////var/lib/kubelet/pods/0f3c2b1a-9c1d-4e2f-8a7b-0123456789ab/volumes/bot.db",
    "payments-desk-production.eu-west-1.example.com",
    "true",
    "24h",
    "0.0.0.0",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_not_shown(text: str) -> None:
    """A token, an address with a password and a long random text are replaced as a whole."""
    assert looks_secret(text)
    assert shown(text) == "a value that looks like a secret"
    assert path_shown(text) == "a value that looks like a secret"


@pytest.mark.parametrize("text", PLAIN)
def test_other_values_are_shown(text: str) -> None:
    """An operator who mistyped something has to see what."""
    assert not looks_secret(text)
    assert shown(text) == repr(text)
    assert path_shown(text) == text


def test_a_message_loses_its_secrets_alone() -> None:
    """The words around a token or a password stay readable."""
    assert masked("'xoxb-1-abc' is no ID, postgresql://u:p@host is no file") == "'***' is no ID, ***@host is no file"


def test_what_is_shown_is_one_line() -> None:
    """Control characters of a value do not reach the terminal."""
    assert shown("a\x1b[2J\nb") == repr("a\x1b[2J\nb")
    assert path_shown("/a\x1b[2J\nb") == repr("/a\x1b[2J\nb")
