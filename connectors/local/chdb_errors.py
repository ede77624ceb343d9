"""Errors of the HTTP front, with ClickHouse's codes, names and statuses."""

from __future__ import annotations

import re
from http import HTTPStatus

NOT_IMPLEMENTED = 48
BAD_ARGUMENTS = 36
NOT_ENOUGH_SPACE = 243
UNKNOWN = 1002
_CODE = re.compile(r"Code: (\d+)")
# What ClickHouse's own HTTP server answers for these codes; all others are 500.
_STATUS = {
    "36": HTTPStatus.BAD_REQUEST,  # BAD_ARGUMENTS
    "6": HTTPStatus.BAD_REQUEST,  # CANNOT_PARSE_TEXT
    "27": HTTPStatus.BAD_REQUEST,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    "33": HTTPStatus.BAD_REQUEST,  # CANNOT_READ_ALL_DATA
    "38": HTTPStatus.BAD_REQUEST,  # CANNOT_PARSE_DATE
    "41": HTTPStatus.BAD_REQUEST,  # CANNOT_PARSE_DATETIME
    "43": HTTPStatus.BAD_REQUEST,  # ILLEGAL_TYPE_OF_ARGUMENT
    "44": HTTPStatus.BAD_REQUEST,  # ILLEGAL_COLUMN
    "53": HTTPStatus.BAD_REQUEST,  # TYPE_MISMATCH
    "62": HTTPStatus.BAD_REQUEST,  # SYNTAX_ERROR
    "72": HTTPStatus.BAD_REQUEST,  # CANNOT_PARSE_NUMBER
    "46": HTTPStatus.NOT_FOUND,  # UNKNOWN_FUNCTION
    "47": HTTPStatus.NOT_FOUND,  # UNKNOWN_IDENTIFIER
    "50": HTTPStatus.NOT_FOUND,  # UNKNOWN_TYPE
    "60": HTTPStatus.NOT_FOUND,  # UNKNOWN_TABLE
    "73": HTTPStatus.NOT_FOUND,  # UNKNOWN_FORMAT
    "81": HTTPStatus.NOT_FOUND,  # UNKNOWN_DATABASE
    "115": HTTPStatus.NOT_FOUND,  # UNKNOWN_SETTING
    "159": HTTPStatus.REQUEST_TIMEOUT,  # TIMEOUT_EXCEEDED
    "48": HTTPStatus.NOT_IMPLEMENTED,  # NOT_IMPLEMENTED
}


class RequestFault(Exception):
    """A request that cannot be served: code, message and name as ClickHouse would give them.

    `close`: the rest of the body was not read, so the connection cannot go on.
    """

    def __init__(self, code: int, message: str, name: str, *, status: int | None = None, close: bool = False) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message} ({name})")
        self.status = status
        self.close = close


def describe(error: Exception) -> tuple[int, str, str]:
    """HTTP status, code and text of an error of the engine or of this front."""
    text = str(error)
    begin = text.find("Code: ")
    text = text[begin:] if begin >= 0 else f"Code: {UNKNOWN}. DB::Exception: {text} (UNKNOWN_EXCEPTION)"
    found = _CODE.match(text)
    code = found[1] if found else str(UNKNOWN)
    status = getattr(error, "status", None) or _STATUS.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return int(status), code, text
