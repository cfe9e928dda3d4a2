"""Telling secrets from other values, so that no message shows a secret that was typed into the wrong place."""

import re

_TOKEN = re.compile(r"xox[a-z][.-]|x(?:app|wfp)-|-----BEGIN |PRIVATE\+KEY\+", re.ASCII | re.IGNORECASE)
_WHOLE_TOKEN = re.compile(r"(?:xox[a-z][.-]|x(?:app|wfp)-)[\w.-]*|PRIVATE\+KEY\+[\w.+/=-]*", re.ASCII | re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#]*@")
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_LETTERS_AND_DIGITS = re.compile(r"(?=[A-Za-z0-9]*[A-Za-z])(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{32,}")
_HIDDEN = "a value that looks like a secret"


def is_token(text: str) -> bool:
    """Return True for a Slack token, a key in PEM form or one that seals the record, also in the middle of a text."""
    return _TOKEN.search(text) is not None


def looks_secret(text: str) -> bool:
    """Return True for everything that may open something: a token, an address with a password, a long random text."""
    return is_token(text) or _PASSWORD_IN_URL.search(text) is not None or _is_random(text)


def masked(text: str) -> str:
    """Return a message without the tokens and the passwords in it."""
    return _PASSWORD_IN_URL.sub("***@", _WHOLE_TOKEN.sub("***", text))


def shown(text: str) -> str:
    """Return the value in quotes for a message, in one line, or words in its place if it may be a secret."""
    return _HIDDEN if looks_secret(text) else repr(text)


def path_shown(path: object) -> str:
    """Return a path for a message, in one line, or words in its place if it may be a secret."""
    text = str(path)
    # A slash is a letter of base64 too, so each name is looked at alone.
    if is_token(text) or _PASSWORD_IN_URL.search(text) or any(map(_is_random, text.split("/"))):
        return _HIDDEN
    return text if text.isprintable() else repr(text)


def _is_random(text: str) -> bool:
    # Signing secrets are hexadecimal, keys are often base64; IDs of Slack have 31 characters at most.
    if _LETTERS_AND_DIGITS.search(text):
        return True
    return any(
        re.search("[a-z]", run) and re.search("[A-Z]", run) and re.search("[0-9]", run) for run in _RUN.findall(text)
    )
