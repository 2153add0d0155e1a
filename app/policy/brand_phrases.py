"""How changes of a pack's brand are told."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.domain.brand import Brand
from app.policy.phrase import Phrase

PHRASES: dict[tuple[type[Struct], str], Phrase] = {
    (Brand, one.name): Phrase(
        f"the brand's {one.name.replace('_', ' ')} is now {{new}} instead of {{old}}",
        f"the brand's {one.name.replace('_', ' ')} is now {{new}}",
        f"the brand has no {one.name.replace('_', ' ')} of its own any more ({{old}})",
    )
    for one in msgspec.structs.fields(Brand)
}
NUMBERS = {(Brand, one.name) for one in msgspec.structs.fields(Brand) if one.type is int}
