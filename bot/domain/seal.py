"""The seal: a signature over the head of the record, which only the holder of the key can make.

A seal is a C2SP signed note (https://c2sp.org/signed-note) over a checkpoint (https://c2sp.org/tlog-checkpoint): the
origin, the number of events, and the root of the Merkle tree over their hashes. One line more has the head of the
chain. Keys are written as other tools for signed notes write them, so that these can verify a seal as well.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "cancel-desk"
"""The name of every key, as it stands in front of a signature."""
_ED25519 = b"\1"
_PRIVATE = "PRIVATE+KEY+"
_HEAD = "chain "
_BYTES = 32


class NotAKey(ValueError):
    """The text is no key of this kind. Its message is the end of a sentence, and never shows the text."""


def _key_bytes(text: str) -> bytes:
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        key = b64decode(encoded, validate=True)
    except (NotBase64, ValueError):
        raise NotAKey("is torn: copy it again, as a whole") from None
    if name != NAME or len(key) != 1 + _BYTES or key[:1] != _ED25519 or len(key_id) != 8:  # noqa: PLR2004 -- digits of four bytes
        raise NotAKey("is no key of this record: make one with the command `record new-key`")
    return key[1:]


def _id(key: bytes) -> bytes:
    return sha256(NAME.encode() + b"\n" + _ED25519 + key).digest()[:4]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies seals. ``text`` is as ``record new-key`` prints it, and no secret."""

    key: bytes

    @property
    def text(self) -> str:
        """The key as people copy it."""
        return f"{self.short}+{b64encode(_ED25519 + self.key).decode()}"

    @property
    def short(self) -> str:
        """The key's name with the first four bytes of its hash, which tells keys apart."""
        return f"{NAME}+{_id(self.key).hex()}"

    def signed(self, note: str) -> str | None:
        """Return the text of a note if this key has signed it, else None."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        text, _, signatures = note.rpartition("\n\n")
        for line in signatures.splitlines():
            mark, _, encoded = line.rpartition(" ")
            if mark != f"— {NAME}":
                continue
            try:
                signature = b64decode(encoded, validate=True)
                if signature[:4] == _id(self.key):
                    Ed25519PublicKey.from_public_bytes(self.key).verify(signature[4:], f"{text}\n".encode())
                    return f"{text}\n"
            except (InvalidSignature, ValueError):
                continue
        return None


def public_key(text: str) -> PublicKey:
    """Read a public key. Raises NotAKey."""
    text = text.strip()
    if text.startswith(_PRIVATE):
        raise NotAKey("is a private key, which belongs into RECORD_KEY alone: give RECORD_PUBLIC_KEY")
    found = PublicKey(_key_bytes(text))
    if found.text != text:
        raise NotAKey("is mistyped: copy it again, as a whole")
    return found


@dataclass(frozen=True)
class PrivateKey:
    """A key that makes seals. Its text is a secret, and no exception shows it."""

    _seed: bytes

    def __repr__(self) -> str:
        """Return the public key's name."""
        return f"PrivateKey({self.public.short})"

    @cached_property
    def _signer(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._seed)

    @cached_property
    def public(self) -> PublicKey:
        """The key that verifies what this one has signed."""
        return PublicKey(self._signer.public_key().public_bytes_raw())

    @cached_property
    def public_text(self) -> str:
        """The text of the key that verifies, which every commit needs."""
        return self.public.text

    @property
    def text(self) -> str:
        """The secret, as the setting RECORD_KEY has it."""
        return f"{_PRIVATE}{self.public.short}+{b64encode(_ED25519 + self._seed).decode()}"

    @cached_property
    def _mark(self) -> bytes:
        return _id(self.public.key)

    def sign(self, text: str) -> str:
        """Return the signed note over a text, which ends with a line break."""
        signature = self._signer.sign(text.encode())
        return f"{text}\n— {NAME} {b64encode(self._mark + signature).decode()}\n"


def private_key(text: str) -> PrivateKey:
    """Read a private key. Raises NotAKey."""
    if not text.startswith(_PRIVATE):
        kind = (
            "is the public key, and the private one is needed" if text.startswith(f"{NAME}+") else "is no private key"
        )
        raise NotAKey(f"{kind}: make a pair with the command `record new-key`")
    found = PrivateKey(_key_bytes(text.removeprefix(_PRIVATE)))
    if found.text != text:
        raise NotAKey("is mistyped: copy it again, as a whole")
    return found


def new_key() -> PrivateKey:
    """Return a new key."""
    return PrivateKey(secrets.token_bytes(_BYTES))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The text that a seal signs: the record's name, its number of events, the root over them, and the last hash."""

    origin: str
    size: int
    root: bytes
    head: str

    @property
    def text(self) -> str:
        """The text of the note."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n{_HEAD}{self.head}\n"


def origin(first_hash: str) -> str:
    """Return the name of the record whose first event has this hash."""
    return f"{NAME}/{first_hash[:16]}"


def checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint. Raises ValueError."""
    name, size, root, head, *more = text.removesuffix("\n").split("\n")
    found = Checkpoint(name, int(size), b64decode(root, validate=True), head.removeprefix(_HEAD))
    if more or found.text != text:
        raise ValueError(text)
    return found
