"""Keys and signed notes: the published example, and everything that is not quite a key or a note."""

import pytest

from bot.domain import seal
from bot.domain.seal import Checkpoint, NotAKey, checkpoint, new_key, private_key, public_key

PETER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETERS = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAID = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)  # fmt: skip
SIGNED = (
    f"{SAID}\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of Go's package golang.org/x/mod/sumdb/note, which C2SP's signed-note is."""
TEXT = Checkpoint("cancel-desk/0123456789abcdef", 3, bytes(32), "a" * 64).text


def test_a_note_is_signed_as_other_tools_sign_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, their short hash and the signature are those of the published example."""
    monkeypatch.setattr(seal, "NAME", "PeterNeumann")
    key = private_key(PETER)
    assert (key.text, key.public.text) == (PETER, PETERS)
    assert key.sign(SAID) == SIGNED
    assert public_key(PETERS).signed(SIGNED) == SAID


def test_a_key_and_its_public_half_are_read_back_as_they_were() -> None:
    """Each new key is another one, and only its secret half can sign."""
    key, other = new_key(), new_key()
    assert private_key(key.text).text == key.text
    assert public_key(f" {key.public.text}\n").text == key.public.text
    assert key.public.text != other.public.text
    assert key.text not in repr(key)
    assert key.public.signed(key.sign(TEXT)) == TEXT
    assert other.public.signed(key.sign(TEXT)) is None


def test_a_signature_among_those_of_others_counts() -> None:
    """A witness may have signed the same note, before or after the bot."""
    key, text = new_key(), TEXT
    own = key.sign(text).removeprefix(f"{text}\n")
    for lines in (f"— witness AAAA\n{own}", f"{own}— witness AAAA\n", f"— cancel-desk !!\n{own}"):
        assert key.public.signed(f"{text}\n{lines}") == text


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n3\n", "\n4\n"),
        lambda note: note.replace("cancel-desk/0", "cancel-desk/1", 1),
        lambda note: note.replace("— cancel-desk ", "— another-desk "),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note[:-9] + "A" * 7 + "=\n",
        lambda note: note.partition("\n\n")[0],
        lambda note: f"one line more\n{note}",
        lambda _: "",
    ],
)
def test_a_note_that_was_changed_is_not_signed(change: object) -> None:
    """Neither its text nor its signature can be touched."""
    key = new_key()
    assert callable(change)
    assert key.public.signed(change(key.sign(TEXT))) is None


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda text: text[:-5],
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text.replace("+", "-"),
        lambda text: text.replace("cancel-desk", "another-desk"),
        lambda text: text.replace("+A", "+B"),
        lambda text: text.replace("cancel-desk+", "cancel-desk+0", 1),
        lambda _: "",
        lambda _: "a key",
    ],
)
@pytest.mark.parametrize("half", ["private", "public"])
def test_what_is_not_quite_a_key_is_none_and_is_not_shown(spoiled: object, half: str) -> None:
    """The message says what is wrong and never repeats the secret."""
    key = new_key()
    assert callable(spoiled)
    text = spoiled(key.text if half == "private" else key.public.text)
    with pytest.raises(NotAKey) as caught:
        (private_key if half == "private" else public_key)(text)
    assert not text or text not in str(caught.value)


def test_the_halves_of_a_key_are_not_taken_for_each_other() -> None:
    """Who gives the secret where the public half belongs is told so, without a copy of it."""
    key = new_key()
    with pytest.raises(NotAKey, match="is a private key") as caught:
        public_key(key.text)
    assert key.text[-30:] not in str(caught.value)
    with pytest.raises(NotAKey, match="is the public key"):
        private_key(key.public.text)


def test_a_checkpoint_is_read_back_as_it_was_and_nothing_else_is() -> None:
    """Another line, a number in other digits or a torn root are no checkpoint."""
    found = Checkpoint("cancel-desk/0123456789abcdef", 42, bytes(range(32)), "f" * 64)
    assert checkpoint(found.text) == found
    for text in (
        found.text + "more\n",
        found.text.replace("42", "042"),
        found.text.replace("chain ", ""),
        found.text.replace("=", ""),
        found.text.removesuffix("\n"),
        "",
    ):
        with pytest.raises(ValueError):  # noqa: PT011 -- base64 and int have words of their own
            checkpoint(text)
