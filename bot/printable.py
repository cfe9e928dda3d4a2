"""Texts for a terminal, without the characters that it would obey or that nobody sees."""

import unicodedata


def printable(text: str) -> str:
    r"""Return the text with control characters, also invisible ones, as escapes such as ``\x1b``; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "  # a no-break space and its like
    return character.encode("unicode_escape").decode("ascii")
