"""What silence means, per purpose and region, as a pack's `[consent]` says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.consent import OPT_IN, OPT_OUT
from app.domain.countries import MEANT, MEMBERS, place
from app.policy.fields import Fields
from app.policy.place import Path

REGIMES = (OPT_IN, OPT_OUT)
REGIONS = "regions"
NONE: Mapping[str, str] = {}
NOWHERE: Mapping[str, dict[str, str]] = {}


class Consents:
    """Reads purposes, and `[consent.regions.EU]` with the rules of one region."""

    def __init__(self, fields: Fields, base: Mapping[str, str] = NONE, regions: Mapping[str, dict[str, str]] = NOWHERE) -> None:
        self._fields, self._base, self._inherited = fields, base, regions

    def read(self, told: dict[str, Any]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """Purpose → regime; region → purpose → regime.

        Purposes that are said take the place of all that are inherited, a region that of the one of its name.
        """
        own = {name: one for name, one in told.items() if name != REGIONS}
        general = self._regimes(own, ("consent",)) if own else dict(self._base)
        regions = dict(self._inherited)
        listed = told.get(REGIONS, {})
        if not isinstance(listed, dict):
            self._fields.wrong(("consent", REGIONS), "regions: a table for each region: [consent.regions.EU]")
            return general, regions
        for region, rules in listed.items():
            at: Path = ("consent", REGIONS, region)
            if region in MEMBERS:
                self._fields.wrong(at, f"region {region}: people of the Union's member states are in region EU")
            elif not place(region):
                meant = f"; did you mean {MEANT[region]}?" if region in MEANT else ""
                self._fields.wrong(at, f"region {region!r}: EU, or a country outside of it by its two letters, such as US{meant}")
            elif not isinstance(rules, dict) or not rules:
                self._fields.wrong(at, f"region {region}: a table of purposes, at least one")
            else:
                for purpose in rules:
                    if purpose not in general:
                        self._fields.wrong((*at, purpose), f"{purpose}: [consent] itself says nothing of it")
                regions[region] = self._regimes(rules, at)
        return general, regions

    def _regimes(self, told: dict[str, Any], at: Path) -> dict[str, str]:
        for purpose, regime in told.items():
            if regime not in REGIMES:
                why = f"{purpose}: opt_in (absence means no) or opt_out (absence means yes), not {regime!r}"
                self._fields.wrong((*at, purpose), why)
        return {purpose: regime for purpose, regime in told.items() if regime in REGIMES}
