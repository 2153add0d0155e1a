"""What must not be inferred of anybody: names of traits and properties, and categories of products, that tell it (A-260, A-261)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from app.domain.scope import Subject

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SIGNS = re.compile(r"[\W_]+")


class Inference(Struct, frozen=True):
    """Something that is nobody's business."""

    name: str
    why: str
    names: tuple[str, ...] = ()
    """Traits, properties, answers and preferences of just this name."""
    words: tuple[str, ...] = ()
    """Words in such names, in what a condition compares with, and in categories of products."""


class Sensitive(Struct, frozen=True, eq=False, dict=True):
    """The list. Compared by identity: each pack has its own, and looks categories up in it at every opening."""

    inferences: tuple[Inference, ...] = ()

    @cached_property
    def _names(self) -> dict[str, str]:
        return {plain(name): one.name for one in self.inferences for name in one.names}

    @cached_property
    def _words(self) -> re.Pattern[str] | None:
        words = [(plain(word), one.name) for one in self.inferences for word in one.words]
        return re.compile("|".join(f"(?P<w{n}> {re.escape(word)} )" for n, (word, _) in enumerate(words))) if words else None

    @cached_property
    def _whose(self) -> list[str]:
        return [one.name for one in self.inferences for _ in one.words]

    def named(self, name: str) -> str | None:
        """What a trait or property of this name tells, if it is on the list."""
        found = plain(name)
        return self._names.get(found) or self._in(found)

    def told(self, text: str) -> str | None:
        """What a category, or a text that something is compared with, tells."""
        return self._in(plain(text))

    def _in(self, text: str) -> str | None:
        match = self._words.search(f" {text} ") if self._words is not None else None
        return None if match is None or match.lastgroup is None else self._whose[int(match.lastgroup[1:])]


def plain(text: str) -> str:
    """Words in lower case and singular, one blank between them: `PregnancyTests`, `pregnancy-test` and `Pregnancy test` are one."""
    words = _SIGNS.sub(" ", _CAMEL.sub(" ", text)).lower().split()
    return " ".join([word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words])


@lru_cache(maxsize=16_384)  # a shop has few categories, and each event names one
def category(sensitive: Sensitive, name: str) -> str | None:
    """What a product of this category tells of whoever looks at it."""
    return sensitive.told(name)


def among(sensitive: Sensitive, categories: Iterable[str]) -> str | None:
    """What the first of these categories that tells something tells."""
    for name in categories:
        if (found := category(sensitive, name)) is not None:
            return found
    return None


def about(sensitive: Sensitive, subject: Subject) -> str | None:
    """What an event or conclusion tells by the categories of its products: of an order, by those of its lines."""
    if not sensitive.inferences:
        return None
    if not subject.told:
        return among(sensitive, subject.categories)
    lines = [str(told) for line in subject.told for name in ("category", "product_category") if isinstance(told := line.get(name), str)]
    return among(sensitive, (*subject.categories, *lines))
