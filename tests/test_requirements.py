"""Every row that a test cites stands in tests/requirements.md, for readers of the repository to follow; none stands there uncited."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
ROW = re.compile(r"\b[AX]-\d{2,3}\b")


def test_cited_rows_and_the_page_agree() -> None:
    cited = {row for path in TESTS.rglob("*.py") for row in cited_in(path.read_text("utf-8"))}
    page = set(re.findall(r"^\| ([AX]-\d{2,3}) \|", (TESTS / "requirements.md").read_text("utf-8"), re.MULTILINE))
    assert cited == page


def cited_in(text: str) -> set[str]:
    rows = set(ROW.findall(text))
    for first, last in re.findall(r"\bA-(\d{3})\s*[–-]\s*A-(\d{3})\b", text):
        rows |= {f"A-{number:03d}" for number in range(int(first), int(last) + 1)}
    return rows
