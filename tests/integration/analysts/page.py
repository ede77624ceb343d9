"""docs/analysts.md as a program sees it: its questions, each with one statement and an example of the answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[3] / "docs" / "analysts.md"

_QUESTION = re.compile(r"^### (?P<title>.+?)$(?P<body>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_SQL = re.compile(r"^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"\A-- (?P<name>[a-z-]+)\n")
_PARAMETER = re.compile(r"\{(\w+):([^}]+)\}")
_DESCRIBED = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \| [^|]+ \| `[^|]+` \|$", re.MULTILINE)


class Question(NamedTuple):
    """`name` is the comment on the statement's first line; `prose` and `example` are what stands around it."""

    name: str
    title: str
    sql: str
    prose: str
    example: list[list[str]]

    @property
    def parameters(self) -> dict[str, str]:
        """Its parameters with their types."""
        return dict(_PARAMETER.findall(self.sql))

    @property
    def columns(self) -> list[str]:
        """The columns of its example; of one row that is shown upright, its first column."""
        upright = self.example[0] == ["column", "value"]
        return [row[0] for row in self.example[2:]] if upright else self.example[0]


def questions() -> list[Question]:
    """Every question of the page, in order; ValueError where one has not exactly one statement with a name."""
    text = PAGE.read_text(encoding="utf-8")
    found = [_question(match["title"], match["body"]) for match in _QUESTION.finditer(text)]
    if len(_SQL.findall(text)) != len(found):
        raise ValueError("every ```sql block of docs/analysts.md must stand under a question of its own")
    return found


def parameters() -> dict[str, str]:
    """The parameters that the page describes, with their types."""
    rows = _DESCRIBED.findall(PAGE.read_text(encoding="utf-8"))
    return {name.strip("`"): kind for names, kind in rows for name in names.split(", ")}


def contents(text: str) -> str:
    """The page's contents: a line for each group, with links to its questions."""
    lines = []
    for group in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        titles = [match["title"] for match in _QUESTION.finditer(group)]
        if not titles:
            continue
        links = " \u00b7 ".join(f"[{title}](#{_anchor(title)})" for title in titles)
        lines.append(f"- **{group.splitlines()[0]}**: {links}")
    return "\n".join(lines)


def between(text: str, name: str) -> str:
    """What stands between the marks of a part that is checked."""
    return text.partition(f"<!-- {name}: begin -->\n")[2].partition(f"\n<!-- {name}: end -->")[0]


def _anchor(title: str) -> str:
    """As GitHub names a heading's anchor."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _question(title: str, body: str) -> Question:
    statements = _SQL.findall(body)
    name = _NAME.match(statements[0]) if len(statements) == 1 else None
    if name is None:
        raise ValueError(f"docs/analysts.md, {title!r}: one statement, whose first line is `-- its-name`")
    prose, _, rest = body.partition("```sql")
    after = rest.partition("```\n")[2]
    rows = [line for line in after.splitlines() if line.startswith("|")]
    example = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]
    return Question(name["name"], title, statements[0], prose.strip(), example)
