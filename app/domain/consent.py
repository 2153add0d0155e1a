"""What a person allowed, per purpose, and who spoke last."""

from __future__ import annotations

from typing import Any

MAX_PURPOSES = 20
MAX_NAME = 40


def allows(consent: dict[str, bool], purpose: str, regime: str, assumed: bool) -> bool:
    """Whether `purpose` is allowed. What she said counts; silence means yes under `opt_out` or where a simulation assumes consent."""
    said = consent.get(purpose)
    return said if said is not None else assumed or regime == "opt_out"


def given(properties: dict[str, Any]) -> dict[str, bool]:
    """What a `consent_give` says: a list of purposes, or purpose → yes/no."""
    return _purposes(properties, True)


def withdrawn(properties: dict[str, Any]) -> dict[str, bool]:
    """What a `consent_withdraw` says: every purpose it names, listed or mapped, is a no."""
    return dict.fromkeys(_purposes(properties, False), False)


def _purposes(properties: dict[str, Any], listed: bool) -> dict[str, bool]:
    purposes = properties.get("purposes")
    if isinstance(purposes, dict):
        said = {name: value for name, value in purposes.items() if isinstance(value, bool)}
    elif isinstance(purposes, list):
        said = {name: listed for name in purposes if isinstance(name, str)}
    else:
        return {}
    return {name: value for name, value in said.items() if 0 < len(name) <= MAX_NAME}


def said(consent: dict[str, bool], instants: dict[str, int], news: dict[str, bool], at: int) -> tuple[dict[str, bool], dict[str, int]]:
    """Consent and its instants after `news` of `at` (ms). A late record does not undo a later word; at one instant a no wins.

    Both maps hold at most MAX_PURPOSES; further purposes push out the one whose last word is oldest.
    """
    consent, instants = dict(consent), dict(instants)
    for purpose, value in news.items():
        before = instants.get(purpose)
        if before is not None and (at < before or (at == before and value)):
            continue
        consent[purpose], instants[purpose] = value, at
        if len(consent) > MAX_PURPOSES:
            oldest = min(instants, key=lambda name: (instants[name], name))
            del consent[oldest], instants[oldest]
    return consent, instants
