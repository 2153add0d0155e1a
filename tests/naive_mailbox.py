"""What an address may get, the slow and obvious way: everything is kept, nothing is rewritten, every question reads all of it."""

from __future__ import annotations

from typing import Any

from app.events import Addressed, AddressRecord, Became, Closing, Unwritten, iso


class NaiveMailbox:
    """Feed it the records of one address in order."""

    def __init__(self) -> None:
        self._went: list[Addressed] = []
        self._closings: list[Closing] = []
        self._became: list[Became] = []
        self._unwritten: set[str] = set()

    def take(self, record: AddressRecord) -> dict[str, Any] | None:
        """Why a plan may not go there; None: it may, or it is no plan."""
        if isinstance(record, Closing):
            self._closings.append(record)
        elif isinstance(record, Became):
            self._became.append(record)
        elif isinstance(record, Unwritten):
            self._unwritten.add(record.send_id)
        else:
            why = self._why(record)
            if why is None:
                self._went.append(record)
            return why
        return None

    def _why(self, plan: Addressed) -> dict[str, Any] | None:
        there = [one for one in self._went if one.send_id not in self._unwritten]
        if any(one.send_id == plan.send_id for one in there):
            return None
        mine = self._now(plan.person_id)
        words: dict[str, Closing] = {}
        for one in self._closings:  # the last one comes last: a word that is taken back and given again is a new one
            who = self._now(one.person_id)
            if who not in words or words[who].at <= one.at:
                words.pop(who, None)
                words[who] = one
        closed = [(who, one) for who, one in words.items() if one.why and who != mine]
        closed = [(who, one) for who, one in closed if not (plan.transactional and one.why == "unsubscribed")]
        theirs = [one for one in there if one.message == plan.message and self._now(one.person_id) != mine]
        theirs = [one for one in theirs if abs(plan.at - one.at) < plan.span and not plan.transactional]
        if closed:
            who, word = closed[-1]
            return {"closed": word.why, "at": iso(word.at), "person_id": who}
        if theirs:
            last = max(theirs, key=lambda one: one.at)
            return {"message": last.message, "at": iso(last.at), "person_id": self._now(last.person_id), "send_id": last.send_id}
        return None

    def _now(self, who: str) -> str:
        """Whom this person is by now, by all that was told here so far."""
        into: dict[str, str] = {}
        for one in self._became:
            into.pop(one.person_id, None)  # she is herself again
            into[one.was] = one.person_id
        passed: set[str] = set()
        while who in into and who not in passed:
            passed.add(who)
            who = into[who]
        return who
