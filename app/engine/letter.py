"""Dead letters: the record as it came, every reason, and where it came from."""

from __future__ import annotations

import base64

from app.engine.program import Incoming, Output
from app.events import DeadLetter, encode_json, iso

MAX_VALUE = 256 * 1024
"""A letter keeps at most this much of the record; what was cut cannot be replayed, and says so."""
MAX_KEY = 4096


def dead_letter(
    letter_id: str, stage: str, topic: str, partition: int, incoming: Incoming, reason: str, violations: list[dict[str, str]], at: int
) -> Output:
    """The letter as an output, under the record's own key. `at`: journal time (ms). `reason`: see `events.DeadLetter`."""
    key, value = incoming.key, incoming.value or b""
    letter = DeadLetter(
        letter_id=letter_id,
        stage=stage,
        reason=reason,
        violations=violations,
        at=iso(at),
        topic=topic,
        partition=partition,
        offset=incoming.offset,
        key=None if key is None else base64.b64encode(key[:MAX_KEY]).decode(),
        value=base64.b64encode(value[:MAX_VALUE]).decode(),
        truncated=len(value) > MAX_VALUE or len(key or b"") > MAX_KEY,
    )
    return Output("dead_letters", None if key is None else key[:MAX_KEY], encode_json(letter))
