"""Rich's console without its markup: a text that is printed is that text, and orders a terminal nothing.

Apart from `console.py`, so that commands which print nothing do not load Rich.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.cli.printable import printable


class Terminal(Console):
    """A console for which no text has markup or emoji codes, wherever it stands: a message, a title, a cell.

    Every `str` that Rich draws comes through `render_str`. Colours are given as `Text` with a style, whose own text
    the caller makes `printable`.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """As Rich, but literally, and with what is not seen written out."""
        return super().render_str(printable(text), **{**how, "markup": False, "emoji": False})
