"""Verify the evidence beside this file: python3 verify.py [--key PUBLIC]. It needs Python 3.9 and no network.

It holds each event against its hash, the words and the sealed root, and with --key and "cryptography" the seal as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64decode
from contextlib import suppress
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

_NAMES = ("at", "kind", "request", "order_id", "actor")


def _hash(*parts: str | bytes) -> bytes:
    joined = b"".join(each if isinstance(each, bytes) else each.encode("utf-8", "surrogatepass") for each in parts)
    return sha256(joined).digest()


def _event_hash(event: dict[str, Any]) -> str:
    lengths = " ".join(str(len(event[name])) for name in _NAMES)
    fields = "".join(event[name] for name in _NAMES)
    return _hash(f"{event['prev_hash']} {event['seq']} {lengths}\n{fields}{event['data']}").hex()


def _root_by(proof: list[str], index: int, size: int, event_hash: str) -> bytes | None:
    """Return the root to which an inclusion proof leads: RFC 9162, section 2.1.3.2."""
    tree, last = _hash(b"\0", bytes.fromhex(event_hash)), size - 1
    for each in map(bytes.fromhex, proof):
        if last == 0:
            return None
        if index & 1 or index == last:
            tree = _hash(b"\1", each, tree)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            tree = _hash(b"\1", tree, each)
        index, last = index >> 1, last >> 1
    return tree if last == 0 else None


def _problems(events: list[dict[str, Any]], seal: str) -> Any:
    _, size, root, *_ = seal.split("\n") if seal else ("", "0", "")
    for event in events:
        name, data = f"event {event['seq']}", json.loads(event["data"])
        if _event_hash(event) != event["hash"]:
            yield f"{name} does not have the content that its hash was computed from"
        for word in event["words"]:
            said = _hash(bytes.fromhex(word["salt"]), word["text"]).hex()
            if said != reduce(lambda found, part: found[part], word["field"].split("."), data):
                yield f"the text of {word['field']} in {name} is not the one that the event commits to"
        found = _root_by(event["proof"], event["seq"] - 1, int(size), event["hash"])
        if seal and (found != b64decode(root) or not 0 < event["seq"] <= int(size)):
            yield f"{name} is not in the record that was sealed"


def _signed(key: str, note: str) -> bool | None:
    """Return whether this key has signed the note, or None where that cannot be told on this machine."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return None
    name, key_id, encoded = key.strip().split("+", 2)
    public = Ed25519PublicKey.from_public_bytes(b64decode(encoded, validate=True)[1:])
    said, _, lines = note.rpartition("\n\n")
    for mark, _, signature in (line.rpartition(" ") for line in lines.splitlines()):
        found = b64decode(signature) if mark == f"— {name}" else b""
        with suppress(InvalidSignature):
            if found[:4].hex() == key_id:
                public.verify(found[4:], f"{said}\n".encode())
                return True
    return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Verify the evidence beside this file.")
    parser.add_argument("--key", action="append", default=[], help="a public key of the bot; once for each it ever had")
    keys, folder = parser.parse_args().key, Path(__file__).parent
    try:
        kept = [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]
        note = (folder / "seal.txt").read_text("utf-8")
        wrong = next(_problems(kept, note), "" if kept else "it has no event")
        signed = {_signed(each, note) for each in keys if not wrong}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        sys.exit(f"Not sound: a file or a key is torn ({error!r}).")
    if wrong or signed == {False}:
        sys.exit(f"Not sound: {wrong or 'no key that you gave has sealed this'}.")
    print(f"Sound: {len(kept)} events and people's words fit their hashes{', and the sealed root' if note else ''}.")
    if not note:
        print("The record has no seal: compare the heads on the page with those in Slack.")
    elif True not in signed:
        print("The seal was not checked:", "install the package cryptography." if keys else "give your key with --key.")
