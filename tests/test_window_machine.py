"""T1: the pure core against a naive model, under whatever order of events, lateness, duplicates and crashes Hypothesis finds.

`KAIROS_T1_EXAMPLES` and `KAIROS_T1_STEPS` make it longer.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import structs

from app.domain import room
from app.events import derived_id
from tests.her import DAY, HOUR, MINUTE, MONDAY, SECOND, UNGATED, Her
from tests.her import pack as compiled
from tests.naive_windows import OF_MAIL, OF_PRODUCT, PACKS, Naive

PRODUCTS = (("p1", "Shoe"), ("p1-42", "Shoe"), ("p2", "Sock"), ("p3", "Hat"))
PRICE = 10

products = st.sampled_from(PRODUCTS)
pauses = st.sampled_from((0, 1, 999, SECOND, 29 * SECOND, 30 * SECOND, 31 * SECOND, 5 * MINUTE, 31 * MINUTE, HOUR, 2 * HOUR - 1, 2 * HOUR))
lateness = st.sampled_from((0, 0, 0, 0, 1, 45 * SECOND, HOUR, 2 * HOUR, 6 * HOUR, 8 * HOUR, 8 * HOUR + SECOND, 49 * HOUR, -5 * MINUTE))


class Machine(RuleBasedStateMachine):
    """`t` is the arrival clock after Monday midnight; an event is stamped `late` ms before it arrives."""

    @initialize(pack=st.sampled_from(("s1", "merged")), most=st.sampled_from((room.MAX_OPEN, 3)))
    def begin(self, pack: str, most: int) -> None:
        whole = compiled(UNGATED if pack == "merged" else pack)  # the gate has a model of its own, and knows what a message is worth
        whole = structs.replace(whole, offers=structs.replace(whole.offers, conversion=0.0))
        assert set(whole.by_name) >= PACKS[pack]
        opens = {kind: tuple(row for row in rows if row.name in PACKS[pack]) for kind, rows in whole.opens.items()}
        self.her = Her(structs.replace(whole, opens=opens))  # what opens by her standing, or after a mail, has tests of its own
        self.naive = Naive(pack, self.her.now, most)
        self.most, room.MAX_OPEN = room.MAX_OPEN, most
        self.naive.window_id = self._window_id
        self.naive.send_id = self._send_id
        self.t, self.count = 0, 0
        self.last: dict[str, Any] | None = None
        self.orders: list[str] = []

    def _window_id(self, window: dict[str, Any], opening: dict[str, Any]) -> str:
        key = ""
        if window["trigger"] in OF_PRODUCT:
            key = opening["product"][0]
        elif window["trigger"] in OF_MAIL:
            key = opening["mail"]
        elif window["trigger"] == "post_purchase":
            key = opening["order"]
        return derived_id(self.her.pack.name, window["trigger"], key, opening["id"], self.her.group.person.person_id)

    def _send_id(self, window: dict[str, Any]) -> str:
        return derived_id(window["id"], str(window["step"]), self.her.pack.version)

    def _event(self, kind: str, pause: int, late: int, **told: Any) -> None:
        self.t += pause
        self._play({"kind": kind, "late": late, **told})

    def _play(self, what: dict[str, Any]) -> None:
        self.last = what
        self.count += 1
        stamped, event_id = self.t - what["late"], f"n{self.count}"
        properties: dict[str, Any] = {}
        if (product := what.get("product")) is not None:
            properties = {"product_id": product[0], "product_name": product[1], "price": PRICE}
        named = (("dwell", "dwell_seconds"), ("quantity", "quantity"), ("order", "order_id"), ("amount", "amount"))
        for field, name in (*named, ("mail", "send_id"), ("page", "page_type")):
            if what.get(field) is not None:
                properties[name] = what[field]
        self.her.event(what["kind"], stamped, arrives=self.t, event_id=event_id, **properties)
        plain = {"product": None, "dwell": None, "quantity": None, "order": None, "amount": None, "price": PRICE}
        plain |= {"mail": None, "page": None}
        self.naive.event({**plain, **what, "id": event_id, "ts": MONDAY + stamped, "at": MONDAY + self.t})

    @rule(product=products, dwell=st.sampled_from((None, None, 5, 29.9, 30, 300)), pause=pauses, late=lateness)
    def view(self, product: tuple[str, str], dwell: float | None, pause: int, late: int) -> None:
        self._event("product_view", pause, late, product=product, dwell=dwell)

    @rule(product=products, dwell=st.sampled_from((None, 10, 60)), pause=pauses, late=lateness)
    def leave(self, product: tuple[str, str], dwell: float | None, pause: int, late: int) -> None:
        self._event("page_leave", pause, late, product=product, dwell=dwell)

    @rule(kind=st.sampled_from(("page_view", "search", "search_click", "email_open")), pause=pauses, late=lateness)
    def other(self, kind: str, pause: int, late: int) -> None:
        self._event(kind, pause, late)

    @rule(page=st.sampled_from(("pricing", "pricing", "faq")), pause=pauses, late=lateness)
    def page(self, page: str, pause: int, late: int) -> None:
        self._event("page_view", pause, late, page=page)

    @rule(kind=st.sampled_from(("email_open", "email_click")), which=st.integers(0, 3), pause=pauses, late=lateness)
    def mail(self, kind: str, which: int, pause: int, late: int) -> None:
        """Of one of her last mails, or of somebody else's."""
        mine = [plan.send_id for plan in self.her.plans[-2:]] if hasattr(self, "her") else []
        self._event(kind, pause, late, mail=mine[which] if which < len(mine) else f"theirs{which}")

    @rule(kind=st.sampled_from(("wishlist_add", "wishlist_add", "wishlist_remove")), product=products, pause=pauses, late=lateness)
    def wish(self, kind: str, product: tuple[str, str], pause: int, late: int) -> None:
        self._event(kind, pause, late, product=product)

    @rule(product=products, quantity=st.sampled_from((None, 1, 2)), pause=pauses, late=lateness)
    def add(self, product: tuple[str, str], quantity: int | None, pause: int, late: int) -> None:
        self._event("cart_add", pause, late, product=product, quantity=quantity)

    @rule(product=products, quantity=st.sampled_from((None, 1, 2)), pause=pauses, late=lateness)
    def remove(self, product: tuple[str, str], quantity: int | None, pause: int, late: int) -> None:
        self._event("cart_remove", pause, late, product=product, quantity=quantity)

    @rule(product=products, again=st.booleans(), pause=pauses, late=lateness)
    def buy(self, product: tuple[str, str], again: bool, pause: int, late: int) -> None:
        """A new order, or another record of the newest one."""
        if not (again and self.orders):
            self.orders.append(f"o{len(self.orders)}")
        self._event("purchase", pause, late, product=product, order=self.orders[-1])

    @rule(ahead=st.booleans(), amount=st.sampled_from((None, PRICE, 2 * PRICE)), pause=pauses, late=lateness)
    def refund(self, ahead: bool, amount: int | None, pause: int, late: int) -> None:
        """Of the newest order, or of one that has not arrived yet."""
        number = len(self.orders) if ahead else max(0, len(self.orders) - 1)
        self._event("refund", pause, late, order=f"o{number}", amount=amount)

    @rule(pause=pauses)
    def unsubscribe(self, pause: int) -> None:
        if self.t > 5 * DAY:  # late in the story, or most of it would be silence
            self._event("email_unsubscribe", pause, 0)

    @precondition(lambda self: self.last is not None)
    @rule(pause=st.sampled_from((0, SECOND, HOUR)))
    def twice(self, pause: int) -> None:
        """Logged a second time, under another id."""
        self.t += pause
        self._play(dict(self.last or {}))

    @rule(pause=st.sampled_from((SECOND, HOUR, 2 * HOUR, DAY, 2 * DAY, 8 * DAY)))
    def wait(self, pause: int) -> None:
        self.t += pause
        self.her.until(self.t)
        self.naive.run_to(MONDAY + self.t)

    @rule()
    def crash(self) -> None:
        self.her.store_and_load()

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "her"):
            self.check()

    def check(self) -> None:
        from datetime import datetime

        found: list[tuple[Any, ...]] = [
            (
                one.trigger,
                one.cause[0],
                one.step,
                one.reason or one.outcome,
                round(datetime.fromisoformat(one.at).timestamp() * 1000),
            )
            for one in self.her.decided
            if one.outcome != "scheduled"
        ]
        found += [(plan.trigger, plan.cause[0], plan.step, "planned", plan.at, plan.due_at) for plan in self.her.plans]
        assert sorted(found, key=repr) == sorted(self.naive.out, key=repr)
        assert len({one.decision_id for one in self.her.decided}) == len(self.her.decided)
        assert len({plan.send_id for plan in self.her.plans}) == len(self.her.plans)

    def teardown(self) -> None:
        """Run on until nothing waits: every step of every window has ended exactly once."""
        if not hasattr(self, "her"):
            return
        try:
            self.wait(60 * DAY)
            self.check()
        finally:
            room.MAX_OPEN = self.most
        assert self.her.group.person.windows.open == ()
        ended = [(plan.window_id, plan.step) for plan in self.her.plans]
        ended += [(one.window_id, one.step) for one in self.her.decided if one.outcome in ("cancelled", "not_sent")]
        assert len(set(ended)) == len(ended)
        chains = {row.name: len(row.steps) for row in self.her.pack.triggers}
        opened = [one for one in self.her.decided if one.outcome == "opened"]
        assert len(ended) == sum(chains[one.trigger] for one in opened)


Machine.TestCase.settings = settings(
    max_examples=int(os.environ.get("KAIROS_T1_EXAMPLES", "100")),
    stateful_step_count=int(os.environ.get("KAIROS_T1_STEPS", "30")),
    deadline=None,
    derandomize="KAIROS_T1_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
TestWindows = Machine.TestCase
