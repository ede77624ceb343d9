r"""Text as a terminal may get it: what it would obey or hide is written out, as \x1b, \n, \u202e.

In:   any text.  Out: the same text, each character that is not seen replaced by what Python writes for it.
Ids are whatever senders made of them: an escape sequence in one must not clear a screen, nor a mark of direction
turn a row around. A backslash stays as it is, so that paths do; who needs the exact text takes `--format json`.
"""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, formats, surrogates, separators of lines, paragraphs
_SEEN_ASCII = re.compile(r"[ -~]*")
_BLANK = frozenset(  # letters and marks that by Unicode's Default_Ignorable_Code_Point show nothing at all
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
)


def printable(text: str) -> str:
    """The text for a terminal; its newlines stay."""
    if _SEEN_ASCII.fullmatch(text):
        return text
    return "".join(one if one == "\n" else _written(one) for one in text)


def one_line(text: str) -> str:
    """The text for a terminal as one line: for ids, headings and cells, which must not begin lines of their own."""
    return printable(text).replace("\n", "\\n")


def _written(one: str) -> str:
    if unicodedata.category(one) not in _UNSEEN and one not in _BLANK:
        return one
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")
