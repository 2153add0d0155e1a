"""What silence means, per purpose and region, as a pack's `[consent]` says it."""

from __future__ import annotations

import re
from typing import Any

from app.domain.consent import OPT_IN, OPT_OUT
from app.domain.device import MEMBERS
from app.policy.fields import Fields
from app.policy.place import Path

REGIMES = (OPT_IN, OPT_OUT)
REGIONS = "regions"
_REGION = re.compile(r"EU|[A-Z]{2}")


class Consents:
    """Reads purposes, and `[consent.regions.EU]` with the rules of one region."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def read(self, told: dict[str, Any]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """Purpose → regime; region → purpose → regime."""
        general = self._regimes({name: one for name, one in told.items() if name != REGIONS}, ("consent",))
        regions: dict[str, dict[str, str]] = {}
        listed = told.get(REGIONS, {})
        if not isinstance(listed, dict):
            self._fields.wrong(("consent", REGIONS), "regions: a table for each region: [consent.regions.EU]")
            return general, {}
        for region, rules in listed.items():
            at: Path = ("consent", REGIONS, region)
            if region in MEMBERS:
                self._fields.wrong(at, f"region {region}: people of the Union's member states are in region EU")
            elif not _REGION.fullmatch(region):
                self._fields.wrong(at, f"region {region!r}: EU, or a country outside of it by its two letters, such as US")
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
