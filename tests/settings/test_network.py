"""Reading the proxies and the certificates that the environment names."""

import os
import ssl
from pathlib import Path

import pytest

from bot.settings import SettingsProblem, load_network, not_read
from tests.tls import Authority

PROXY = "http://proxy.test:3128"


def problems(**environ: str) -> list[str]:
    """Return the lines about these variables."""
    with pytest.raises(SettingsProblem) as caught:
        load_network(environ)
    return caught.value.problems


@pytest.mark.parametrize(
    "environ, http, https",
    [
        ({}, None, None),
        ({"HTTPS_PROXY": PROXY}, None, PROXY),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other.test"}, None, PROXY),
        ({"HTTP_PROXY": PROXY}, PROXY, None),
        ({"ALL_PROXY": PROXY}, PROXY, PROXY),
        ({"all_proxy": PROXY, "HTTPS_PROXY": "https://other.test"}, PROXY, "https://other.test"),
        ({"HTTPS_PROXY": " ", "https_proxy": "", "ALL_PROXY": "proxy.test:3128"}, PROXY, PROXY),
        ({"HTTPS_PROXY": f"{PROXY}/"}, None, PROXY),
        ({"HTTPS_PROXY": "HTTP://Proxy.test:3128"}, None, "http://Proxy.test:3128"),
        ({"HTTPS_PROXY": "http://desk:p%40ss@proxy.test"}, None, "http://desk:p%40ss@proxy.test"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, None, "http://[fd00::1]:3128"),
    ],
)
def test_the_usual_variables_name_the_proxies(environ: dict[str, str], http: str | None, https: str | None) -> None:
    """Small letters win over capitals, the scheme's own variable over ALL_PROXY, and http:// may be left out."""
    network = load_network(environ)
    assert network.proxy_for("https://slack.com") == https
    assert network.proxy_for("http://gateway.test") == http


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "value, words",
    [
        ("socks5://desk:hunter2@proxy.test:1080", "must begin with http:// or https://"),
        ("ftp://hunter2.test", "must begin with http:// or https://"),
        ("hunter2://", "must begin with http:// or https://"),
        ("http://", "names no host"),
        ("http://:3128", "names no host"),
        ("http://desk:hunter2@", "names no host"),
        ("http://hunter2_ö.test", "names no host"),
        ("http://proxy.test hunter2:3128", "without spaces"),
        ("http://proxy.test\\hunter2", "without spaces"),
        ("http://hunter2.test:port", "a port that cannot be read"),
        ("http://hunter2.test:99999", "a port that cannot be read"),
        ("http://hunter2.test:0", "has the port 0"),
        ("http://[hunter2", "cannot be read"),
        ('"http://hunter2.test:3128"', "is in quotes"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_line(name: str, value: str, words: str) -> None:
    """The line names the variable, and repeats nothing of an address in which there may be a password."""
    [line] = problems(**{name: value})
    assert line.startswith(f"{name}: ")
    assert words in line
    assert "hunter2" not in line


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("value", ["xoxb-1-hunter2", "http://xapp-1-hunter2:3128", "localhost,xoxb-1-hunter2"])
def test_a_token_is_no_host(name: str, value: str) -> None:
    """It would be asked of a name server, in the clear."""
    assert problems(**{name: value}) == [
        f"{name}: looks like a secret, and is not for one; the value is not shown here"
    ]


def test_a_proxy_that_is_not_used_does_not_matter() -> None:
    """A desktop's ALL_PROXY may be of another kind where the other two are set, and NO_PROXY may exempt everything."""
    socks = "socks://proxy.test:1080"
    assert load_network({"ALL_PROXY": socks, "HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY}).proxies["https"] == PROXY
    assert load_network({"HTTPS_PROXY": socks, "NO_PROXY": "*"}).proxy_for("https://slack.com") is None


def test_no_proxy_takes_commas_and_spaces() -> None:
    """Both are in use, and the small letters win."""
    network = load_network({"HTTPS_PROXY": PROXY, "NO_PROXY": "x.test", "no_proxy": "a.test, b.test c.test,"})
    assert network.no_proxy == ("a.test", "b.test", "c.test")


# --- certificates -------------------------------------------------------------------------------------


def authorities(context: ssl.SSLContext) -> set[str]:
    """Return the names of the authorities that a context has loaded."""
    return {str(found["subject"]) for found in context.get_ca_certs()}


def test_an_authority_is_added_to_those_of_the_system(tmp_path: Path) -> None:
    """Somebody who adds the company's authority for the gateway still needs the others for Slack."""
    own = Authority(tmp_path / "own")
    before, after = load_network({}).tls, load_network({"SSL_CERT_FILE": str(own.file)}).tls
    added = authorities(after) - authorities(before)
    assert ["A company's own authority" in name for name in added] == [True]
    assert authorities(before) <= authorities(after)
    assert (after.verify_mode, after.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_not_there_are_one_line(name: str, tmp_path: Path) -> None:
    """The line has the variable, the path and the system's words."""
    absent = tmp_path / "absent"
    assert problems(**{name: str(absent)}) == [
        f"{name}: names {absent}, which cannot be read: No such file or directory"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_may_not_be_read_are_one_line(name: str, tmp_path: Path) -> None:
    """The bot's user may be another one than the operator."""
    locked = tmp_path / "locked"
    locked.mkdir() if name == "SSL_CERT_DIR" else locked.touch()
    locked.chmod(0)
    assert "Permission denied" in problems(**{name: str(locked)})[0]


@pytest.mark.parametrize("content", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificates_is_one_line(content: str, tmp_path: Path) -> None:
    """An empty file, a text and a broken certificate are told alike."""
    (file := tmp_path / "ca.pem").write_text(content)
    assert problems(SSL_CERT_FILE=str(file)) == [f"SSL_CERT_FILE: names {file}, which holds no certificate in PEM form"]


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path) -> None:
    """Each variable is for one of the two."""
    (file := tmp_path / "ca.pem").write_text("")
    assert problems(SSL_CERT_FILE=str(tmp_path), SSL_CERT_DIR=str(file)) == [
        f"SSL_CERT_FILE: names {tmp_path}, which is not a file",
        f"SSL_CERT_DIR: names {file}, which cannot be read: Not a directory",
    ]


def test_a_folder_without_the_names_that_openssl_looks_for_is_one_line(tmp_path: Path) -> None:
    """OpenSSL would find nothing in it, and say nothing."""
    (tmp_path / "company.pem").write_text("")
    [line] = problems(SSL_CERT_DIR=str(tmp_path))
    assert line.startswith(f"SSL_CERT_DIR: names {tmp_path}, ")
    assert "openssl rehash" in line


def test_a_file_for_keys_that_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself reads SSLKEYLOGFILE, and raises."""
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    assert problems() == ["SSLKEYLOGFILE: names a file that cannot be written: No such file or directory"]


def test_every_problem_is_reported_at_once() -> None:
    """The same mistake in both directions is one line."""
    assert [line.partition(":")[0] for line in problems(ALL_PROXY="socks5://x", SSL_CERT_FILE="/nowhere")] == [
        "ALL_PROXY",
        "SSL_CERT_FILE",
    ]


def test_a_variable_of_other_programs_is_in_doubt() -> None:
    """Somebody who trusts an authority in requests or curl means it for this program, too."""
    assert list(not_read({"REQUESTS_CA_BUNDLE": "/ca.pem"})) == [
        "REQUESTS_CA_BUNDLE: the bot does not read it; name the file in SSL_CERT_FILE as well"
    ]
    assert list(not_read({"REQUESTS_CA_BUNDLE": "/ca.pem", "SSL_CERT_FILE": "/ca.pem"})) == []
