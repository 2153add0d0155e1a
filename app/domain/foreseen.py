"""Whether her profile foresaw what she would take up (A-228): clicks in mails of the content and category it predicted, and in others.

Of each message the `sent` decision tells what her profile predicted when it was planned, and what category the message was about. Only
what the sender of the mail tells of it counts, before anybody opened it: a category that only a click tells would always have been clicked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain import consent, facts, sensitive, window
from app.domain.tolerance import ANSWER_MS, measured

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.window import Window

CONTENT, CATEGORY = "content", "category"
WHAT = (CONTENT, CATEGORY)
PREDICTED, ABOUT = "predicted", "about"
"""Keys of a decision's values."""
MATCHED, OTHER = "matched", "not_matched"


def noted(see: See, one: Window) -> dict[str, Any]:
    """For the values of a message that goes out. Nothing of who has not consented to be known, nor of what no pack may infer (A-261)."""
    if not consent.permits(see.person.profile, "personalise", see):
        return {}
    hers = facts.of(see)
    about = next((line.category for line in window.lines(one) if line.category), None)
    mail = see.person.profile.mail
    if mail.human_opens or mail.human_clicks:
        told = {CONTENT: hers.get("profile.propensity.content"), CATEGORY: hers.get("profile.propensity.category")}
    else:  # as her profile has it of who has opened none of her mails, which most people have not
        told = {CATEGORY: hers.get("profile.primary_interest")}
    predicted = {name: value for name, value in told.items() if value and not _private(see, value)}
    found: dict[str, Any] = {PREDICTED: predicted} if predicted else {}
    return found | ({ABOUT: about} if CATEGORY in predicted and about and not _private(see, about) else {})


def _private(see: See, name: str) -> bool:
    return sensitive.among(see.pack.sensitive, (name,)) is not None


class Foreseen(Struct, frozen=True):
    """Of a message that went out. `predicted`: content and category; `about`: the category of its products, as the window has them."""

    at: int
    predicted: tuple[str | None, str | None]
    about: str | None


def read(values: Mapping[str, Any], at: int) -> Foreseen | None:
    """Of a `sent` decision; None: nothing was predicted."""
    predicted = values.get(PREDICTED)
    if not isinstance(predicted, dict) or not predicted:
        return None
    about = values.get(ABOUT)
    content, category = (_text(predicted.get(name)) for name in WHAT)
    return Foreseen(at, (content, category), _text(about))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def accuracy(
    messages: Iterable[tuple[str, Foreseen]],
    mails: Mapping[str, tuple[str | None, str | None]],
    acts: Mapping[str, frozenset[str]],
    now: int,
) -> dict[str, Any]:
    """For JSON. `mails`: send_id → (content, category) that its sender told of it; its own word goes before the decision's."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for send_id, one in messages:
        if one.at > now - ANSWER_MS:
            continue
        content, category = mails.get(send_id, (None, None))
        for name, predicted, was in zip(WHAT, one.predicted, (content, category or one.about), strict=True):
            if predicted is None or was is None:
                continue
            which = MATCHED if was == predicted else OTHER
            counts[name, which, "messages"] += 1
            counts[name, which, "clicked"] += "clicked" in acts.get(send_id, ())
    return {
        name: {
            which: {"messages": of, "clicked": measured("clicked", counts[name, which, "clicked"], of)}
            for which in (MATCHED, OTHER)
            if (of := counts[name, which, "messages"])
        }
        for name in WHAT
        if counts[name, MATCHED, "messages"] or counts[name, OTHER, "messages"]
    }
