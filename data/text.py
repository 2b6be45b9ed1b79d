"""Decode text files of spreadsheet programs and other tools, whose encoding is not declared."""

import codecs
import re
from typing import NamedTuple

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a")
_MOST = 0.9
_LONGEST_RUN = 3  # accented letters that follow one another in a Western word
_WESTERN_SIGNS = frozenset("\u2018\u2019“”\u2013—…•·°«»§€£±²³µ¼½¾®©™\u00a0")
_NO_LETTERS = frozenset("ƒªº")
_COMMON_GB = range(0xA1, 0xD8)  # signs, and the characters that most of any text is made of
_COMMON_BIG5 = range(0xA1, 0xC7)


class Text(NamedTuple):
    """Decoded text, and the display name of its encoding; empty for Unicode."""

    text: str
    encoding: str = ""


def decoded(content: bytes) -> Text:
    """Text in Unicode (with or without a mark at its beginning), GB18030, Big5 or Western European.

    What is not Unicode carries no sign of its encoding: it is taken for the one in which nine of ten of its special
    characters are usual ones.

    Raises:
        ValueError: it is no text, or in another encoding.

    >>> decoded("4，7".encode("gb18030")), decoded("léger".encode("cp1252")).encoding
    (Text(text='4，7', encoding='GB18030 (Chinese)'), 'Western European')
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None) or _unmarked_utf16(content)
    try:
        return Text(content.decode(marked or "utf-8"))
    except UnicodeDecodeError as error:
        if marked:
            raise ValueError(f"its mark says {marked.upper()}, but it is not ({error.reason})") from error
    if set(content) & _BINARY:
        raise ValueError("it is no text")
    for codec, name, fits in (
        ("gb18030", "GB18030 (Chinese)", _is_chinese),
        ("cp1252", "Western European", _is_western),
        ("big5", "Big5 (Chinese)", _is_traditional),
    ):
        text = _attempt(content, codec)
        if text is not None and fits(text):
            return Text(text, name)
    raise ValueError("its characters are neither Unicode nor GB18030, Big5 or Western European")


def _unmarked_utf16(content: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of plain letters is 0."""
    half = len(content) // 2
    if half < 2 or len(content) % 2:
        return None
    first, second = content[0::2].count(0), content[1::2].count(0)
    if max(first, second) < half / 2 or min(first, second):
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def _attempt(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def _special(text: str) -> list[str]:
    return [character for character in text if not character.isascii()]


def _is_chinese(text: str) -> bool:
    """Whether nearly all special characters are of GB 2312, the everyday part of GB18030, and half of them usual."""
    codes = [_bytes_of(character, "gb2312") for character in _special(text)]
    everyday = [code for code in codes if code is not None]
    num_common = sum(code[0] in _COMMON_GB for code in everyday)
    return len(everyday) >= _MOST * len(codes) and 2 * num_common >= len(everyday)


def _is_traditional(text: str) -> bool:
    special = [_bytes_of(character, "big5") or b"\0" for character in _special(text)]
    return sum(code[0] in _COMMON_BIG5 for code in special) >= _MOST * len(special)


def _is_western(text: str) -> bool:
    """Whether nearly all special characters are letters or signs of Western languages, and no long runs of them."""
    special = _special(re.sub(r"(?<!\w)[¿¡](?=\w)", "", text))  # as questions and calls begin in Spanish
    usual = [character in _WESTERN_SIGNS or _is_accented(character) for character in special]
    longest = run = 0
    for character in text:
        run = run + 1 if _is_accented(character) else 0
        longest = max(longest, run)
    return sum(usual) >= _MOST * len(special) and longest <= _LONGEST_RUN


def _is_accented(character: str) -> bool:
    return not character.isascii() and character.isalpha() and character not in _NO_LETTERS


def _bytes_of(character: str, codec: str) -> bytes | None:
    try:
        return character.encode(codec)
    except UnicodeEncodeError:
        return None
