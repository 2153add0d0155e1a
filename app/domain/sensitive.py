"""What must not be inferred of anybody: names of traits and properties, and words of products and searches, that tell it (A-260, A-261)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

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
    """Words in such names, in what a condition compares with, and in categories, names and searches of products."""
    harmless: tuple[str, ...] = ()
    """Phrases that have such a word in them and tell nothing: `Christian Dior`."""


Phrases = dict[str, tuple[tuple[tuple[str, ...], str | None], ...]]
"""First word → (words of a phrase, what it tells, None if nothing), the longest first."""


class Sensitive(Struct, frozen=True, eq=False, dict=True):
    """The list. Compared by identity: each pack has its own, and looks texts up in it at every opening."""

    inferences: tuple[Inference, ...] = ()

    @cached_property
    def _names(self) -> dict[str, str]:
        return {plain(name): one.name for one in self.inferences for name in one.names}

    @cached_property
    def _phrases(self) -> Phrases:
        told: list[tuple[str, str | None]] = [(word, one.name) for one in self.inferences for word in one.words]
        told += [(phrase, None) for one in self.inferences for phrase in one.harmless]
        whole = [(tuple(plain(text).split()), what) for text, what in told]
        found: dict[str, list[tuple[tuple[str, ...], str | None]]] = {}
        for words, what in sorted(whole, key=lambda one: -len(one[0])):  # a longer phrase says what a shorter one in it means
            if words:
                found.setdefault(words[0], []).append((words, what))
        return {first: tuple(phrases) for first, phrases in found.items()}

    def named(self, name: str) -> str | None:
        """What a trait or property of this name tells, if it is on the list."""
        found = plain(name)
        return self._names.get(found) or self._in(found)

    def told(self, text: str) -> str | None:
        """What a category, a product's name, a search, or a text that something is compared with, tells."""
        return self._in(plain(text))

    def _in(self, text: str) -> str | None:
        phrases, words, place = self._phrases, text.split(), 0
        while place < len(words):
            for phrase, what in phrases.get(words[place], ()):
                if len(phrase) == 1 or tuple(words[place : place + len(phrase)]) == phrase:
                    if what is not None:
                        return what
                    place += len(phrase) - 1
                    break
            place += 1
        return None


def plain(text: str) -> str:
    """Words in lower case and singular, without accents, one blank between them: `PregnancyTests`, `pregnancy-test`, `Pregnancy test`."""
    if not text.isascii():
        text = "".join([sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)])
    words = _SIGNS.sub(" ", _CAMEL.sub(" ", text)).casefold().split()
    return " ".join([word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words])


@lru_cache(maxsize=32_768)  # a shop has few categories, each event names one; names of products and searches share what is left
def tells(sensitive: Sensitive, text: str) -> str | None:
    """What a product of this category or name, or a search for it, tells of whoever looks at it."""
    return sensitive.told(text)


CATEGORY, NAME, QUERY = ("category", "product_category"), ("product_name", "name"), ("query",)
MAX_TEXT = 300
"""Characters of a text that are asked."""


def among(sensitive: Sensitive, texts: Iterable[str]) -> str | None:
    """What the first of these texts that tells something tells."""
    if not sensitive.inferences:
        return None
    for text in texts:
        if (found := tells(sensitive, text)) is not None:
            return found
    return None


def texts(told: Mapping[str, Any], keys: Iterable[str] = (*CATEGORY, *NAME)) -> list[str]:
    """Texts of a product, in an event's words, that may tell something."""
    return [text[:MAX_TEXT] for key in keys if type(text := told.get(key)) is str and text]


def about(sensitive: Sensitive, subject: Subject) -> str | None:
    """What an event or conclusion tells by the categories and names of its products, of an order by those of its lines, and by a search."""
    if not sensitive.inferences:
        return None
    found = among(sensitive, (*subject.categories, *texts(subject.properties, (*NAME, *QUERY))))
    if found is None and subject.told:
        found = among(sensitive, [text for line in subject.told for text in texts(line)])
    return found
