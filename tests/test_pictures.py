"""Pictures that look alike make products alike (A-157)."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.agents import similarity
from app.agents.table import Column
from app.edges import pictures

Image: Any = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install 'kairos[models]'")
pytest.importorskip("imagehash", reason="imagehash is not installed: pip install 'kairos[models]'")


def column(product: str, image: str = "") -> Column:
    return Column((product,), "", None, "", image)


def draw(path: Path, seed: int, darker: int = 0) -> None:
    """A thing of many parts; `darker`: in another colour."""
    rng = Random(seed)
    picture = Image.new("RGB", (128, 128), (255, 255, 255))
    for _ in range(40):
        x, y, grey = rng.randrange(112), rng.randrange(112), rng.randrange(60, 220)
        picture.paste((grey, max(0, grey - darker), grey), (x, y, x + 16, y + 16))
    picture.save(path)


def test_what_looks_alike_is_near_whatever_its_colour(tmp_path: Path) -> None:
    draw(tmp_path / "red-shoe.png", 1)
    draw(tmp_path / "blue.jpg", 1, darker=40)
    draw(tmp_path / "pole.png", 2)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not looked at")
    columns = [column("red-shoe"), column("p2", "https://cdn.example/a/blue.jpg?w=300"), column("pole"), column("broken"), column("none")]
    found = pictures.seen(columns, tmp_path)
    assert set(found.hashes) == {0, 1, 2} and found.missing == 1 and found.broken == ["broken.png"]
    lists = similarity.content(columns, 3, found.hashes)
    assert [item for item, _ in lists[0]] == [1] and [item for item, _ in lists[1]] == [0] and lists[2] == []


def test_a_bomb_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "p.png", 3)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    assert pictures.seen([column("p")], tmp_path).broken == ["p.png"]


def test_a_picture_counts_a_third_and_words_two() -> None:
    columns = [Column((f"p{n}",), "", None, text, "") for n, text in enumerate(("red shoe", "red shoe", "red shoe"))]
    lists = similarity.content(columns, 2, {0: 0b0, 1: 0b0, 2: 0xFFFF_FFFF})
    assert lists[0][0] == (1, pytest.approx(1.0)) and lists[0][1] == (2, pytest.approx(2 / 3))
