"""The proxies and certificates that the environment names, by the variables that other programs know as well."""

import contextlib
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bot.masking import is_token, path_shown
from bot.network import Network
from bot.settings.environment import SettingsProblem
from bot.settings.values import unquoted

_HOST = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z._-]*[0-9A-Za-z_.])?|[0-9A-Fa-f:.]+")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""The names under which OpenSSL looks for the certificates in a folder."""
_MISPLACED = "looks like a secret, and is not for one; the value is not shown here"


def load_network(environ: Mapping[str, str] = os.environ) -> Network:
    """Return the way to other machines that these variables name. An empty variable counts as unset.

    Raises SettingsProblem with every problem at once. None of its lines holds a proxy's address: there may be a
    password in it.
    """
    problems: list[str] = []
    name, value = _first(environ, "no_proxy", "NO_PROXY")
    if is_token(value):
        problems.append(f"{name}: {_MISPLACED}")
    no_proxy = tuple(re.split(r"[\s,]+", value))
    proxies: dict[str, str] = {}
    for scheme in ("http", "https"):
        # The same order as curl's; a variable that another one hides does not matter.
        name, value = _first(environ, f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
        if not value or "*" in no_proxy:
            continue
        try:
            proxies[scheme] = _proxy(value)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    tls, untrusted = _trust(environ)
    problems = [*dict.fromkeys(problems), *untrusted]
    if problems or tls is None:
        raise SettingsProblem(problems)
    return Network(tls, proxies, tuple(filter(None, no_proxy)))


def _first(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """Return the first of these variables that is set, with its value."""
    return next(((name, value) for name in names if (value := environ.get(name, "").strip())), ("", ""))


def _proxy(text: str) -> str:
    """Return the address of a proxy. Raises ValueError with the problem, which does not repeat it."""
    text = unquoted(text)
    if is_token(text):
        raise ValueError(_MISPLACED)
    if re.search(r"[\s\x00-\x1f\x7f\\]", text):
        raise ValueError("must be an address without spaces, such as http://proxy.example.com:3128")
    # Other programs take an address without a scheme, too.
    address = text if "://" in text else f"http://{text}"
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        raise ValueError("has a host or a port that cannot be read; write http://proxy.example.com:3128") from None
    if url.scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://; the bot can use no other kind of proxy")
    if not url.hostname or not _HOST.fullmatch(url.hostname):
        raise ValueError("names no host; write it like http://proxy.example.com:3128")
    if port == 0:
        raise ValueError("has the port 0; ports are from 1 to 65535")
    return f"{url.scheme}://{url.netloc}"


def _trust(environ: Mapping[str, str]) -> tuple[ssl.SSLContext | None, list[str]]:
    """Return the context that trusts this system's certificates and those that the variables add, and the problems."""
    try:
        context = ssl.create_default_context()
    except OSError as error:
        # The only file that Python opens for it: one in which it would write the keys of every connection.
        return None, [f"SSLKEYLOGFILE: names a file that cannot be written: {error.strerror}"]
    problems = []
    for name, add in (("SSL_CERT_FILE", _add_file), ("SSL_CERT_DIR", _add_folders)):
        value = environ.get(name, "").strip()
        try:
            if value:
                add(context, unquoted(value))
        except ValueError as error:
            problems.append(f"{name}: {error}")
    # For OpenSSL each variable replaces one of these. An authority that is added must not remove all others.
    system = ssl.get_default_verify_paths()
    with contextlib.suppress(OSError):
        context.load_verify_locations(cafile=system.openssl_cafile)
    with contextlib.suppress(OSError):
        context.load_verify_locations(capath=system.openssl_capath)
    return context, problems


def _add_file(context: ssl.SSLContext, path: str) -> None:
    try:
        # OpenSSL reads without end what is no file, such as a pipe.
        if not Path(path).is_file() and Path(path).exists():
            raise ValueError(f"names {path_shown(path)}, which is not a file")
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"names {path_shown(path)}, which holds no certificate in PEM form") from None
    except OSError as error:
        raise ValueError(f"names {path_shown(path)}, which cannot be read: {error.strerror}") from None


def _add_folders(context: ssl.SSLContext, paths: str) -> None:
    for path in filter(None, paths.split(os.pathsep)):
        try:
            found = any(_HASHED.fullmatch(file.name) for file in Path(path).iterdir())
        except OSError as error:
            raise ValueError(f"names {path_shown(path)}, which cannot be read: {error.strerror}") from None
        if not found:
            raise ValueError(
                f"names {path_shown(path)}, which holds no certificate under the name that OpenSSL looks for;"
                " run `openssl rehash` on it"
            )
        context.load_verify_locations(capath=path)


def not_read(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each variable by which people trust a certificate in other programs, but not in this one."""
    if not environ.get("SSL_CERT_FILE") and not environ.get("SSL_CERT_DIR"):
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"):
            if environ.get(name):
                yield f"{name}: the bot does not read it; name the file in SSL_CERT_FILE as well"
