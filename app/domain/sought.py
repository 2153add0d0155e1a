"""Which decisions somebody asks for: by person, trigger, reason, outcome, message and time."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Told(Protocol):
    """The little of a decision that is asked about."""

    @property
    def person_id(self) -> str: ...
    @property
    def customer_id(self) -> str | None: ...
    @property
    def trigger(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def at(self) -> str: ...
    @property
    def send_id(self) -> str | None: ...


class Sought(Struct, frozen=True):
    """None and empty: whatever it is. `persons`: her person ids; `customer`: or what the shop calls her. Times are ISO 8601 UTC."""

    persons: frozenset[str] = frozenset()
    customer: str | None = None
    trigger: str | None = None
    reason: str | None = None
    outcome: str | None = None
    send: str | None = None
    since: str = ""
    until: str = ""
    """Exclusive."""

    def holds(self, one: Told) -> bool:
        """Whether this one is asked for."""
        return (
            one.at >= self.since
            and (not self.until or one.at < self.until)
            and (self.trigger is None or one.trigger == self.trigger)
            and (self.reason is None or one.reason == self.reason)
            and (self.outcome is None or one.outcome == self.outcome)
            and (self.send is None or one.send_id == self.send)
            and (not self.persons or one.person_id in self.persons or (self.customer is not None and one.customer_id == self.customer))
        )

    def words(self) -> str:
        """In words, to be put behind `no decision`."""
        told = [f"on {self.trigger}"] if self.trigger else []
        told += [f"of {self.customer or 'this person'}"] if self.persons else []
        told += [f"for {self.reason}"] if self.reason else []
        told += [f"that ended {self.outcome}"] if self.outcome else []
        told += [f"of send {self.send}"] if self.send else []
        told += [f"since {self.since[:19]}"] if self.since else []
        told += [f"before {self.until[:19]}"] if self.until else []
        return " ".join(told)
