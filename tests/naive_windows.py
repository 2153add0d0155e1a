"""The rules of windows told a second time, with lists and loops over everything that ever arrived: the oracle of the state machine test.

Shares nothing with app/: times in ms, products are (id, name), a window is a dict. Slow; meant to be read beside interface.md section 6.
"""

from __future__ import annotations

from typing import Any

S, M, H, D = 1_000, 60_000, 3_600_000, 86_400_000

CHAINS = {
    "product_page_abandonment": [2 * H, 24 * H],
    "cart_abandonment": [2 * H, 24 * H],
    "post_purchase": [2 * D, 5 * D, 7 * D, 14 * D],
    "welcome": [0, 2 * D, 3 * D],
}
LATE = {"post_purchase": 3 * D}
AGAIN = {"s1": {}, "merged": {"product_page_abandonment": 7 * D, "cart_abandonment": 24 * H}}
ORDER = {
    "s1": {"product_page_abandonment": 100, "cart_abandonment": 100, "post_purchase": 100},
    "merged": {"welcome": 10, "cart_abandonment": 30, "post_purchase": 40, "product_page_abandonment": 50},
}
WEB_OR_SHOP = {"product_view", "page_view", "page_leave", "cart_add", "cart_remove", "purchase", "refund"}


class Naive:
    def __init__(self, pack: str, start: int) -> None:
        self.pack, self.now, self.ticked = pack, start, 0
        self.log: list[dict[str, Any]] = []
        self.windows: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.out: list[tuple[Any, ...]] = []
        self.orders: dict[str, list[dict[str, Any]]] = {}
        self.unsubscribed = self.welcomed = False

    # time

    def run_to(self, last: int) -> None:
        while True:
            dues = [w["wake"] for w in self.windows if w["open"]]
            if not dues:
                break
            at = max(min(dues), self.now, self.ticked + 1)
            while at % S:
                at += 1
            if at > last:
                break
            self.now = self.ticked = at
            self.fire([w for w in self.windows if w["open"] and w["wake"] <= at])
        self.ticked = max(self.ticked, last - last % S)
        self.now = max(self.now, self.ticked)

    def fire(self, due: list[dict[str, Any]]) -> None:
        for w in sorted(due, key=lambda w: (ORDER[self.pack][w["trigger"]], w["due"], w["id"])):
            steps = CHAINS[w["trigger"]]
            reason = None
            if self.now - w["due"] > LATE.get(w["trigger"], 6 * H):
                reason = "late_event"
            elif self.unsubscribed:
                reason = "unsubscribed"
            elif w["trigger"] == "post_purchase" and w["step"] == 3 and len(self.orders) < 5:
                reason = "condition_false"
            if reason:
                self.end(w, reason)
                continue
            self.out.append((w["trigger"], w["cause"], w["step"], "planned", self.now, w["due"]))
            self.sent.append({"trigger": w["trigger"], "product": w["product"], "at": self.now})
            if w["step"] + 1 == len(steps):
                w["open"] = False
            else:
                w["step"] += 1
                w["due"] += steps[w["step"]]
                w["wake"] = max(w["due"], self.now)

    def end(self, w: dict[str, Any], reason: str) -> None:
        for step in range(w["step"], len(CHAINS[w["trigger"]])):
            self.out.append((w["trigger"], w["cause"], step, reason, self.now))
        w["open"] = False

    # events

    def event(self, e: dict[str, Any]) -> None:
        """e: id, kind, ts, at, product (id, name) or None, dwell, quantity, order, amount."""
        self.run_to(e["at"] - 1)
        self.now = max(self.now, e["at"])
        kind = e["kind"]
        if kind == "email_unsubscribe":
            self.unsubscribed = True
        new_order = kind == "purchase" and e["order"] not in self.orders
        if kind == "purchase":
            lines = self.orders.setdefault(e["order"], [])
            if all(line["product"][0] != e["product"][0] for line in lines):
                lines.append(e)
        if kind != "purchase":
            self.cancel(e)
        self.tell_gaps(e)
        if kind == "product_view" and e["dwell"] is not None and e["dwell"] >= 30:
            self.open("product_page_abandonment", e, e["ts"])
        if kind == "cart_add":
            self.open("cart_abandonment", e, e["ts"])
        if kind == "product_view" and e["dwell"] is None:
            self.waiting = [v for v in self.waiting if v["ts"] > self.now - 48 * H]
            self.waiting = [*self.waiting, {**e, "told": False}][-8:]
        self.log.append(e)
        if new_order:
            e["placed"] = True
            self.cancel(e)
            self.open("post_purchase", e, e["ts"])
        if not self.welcomed and not self.unsubscribed:
            self.welcomed = True
            if self.pack == "merged":
                self.open("welcome", e, e["ts"])

    def tell_gaps(self, e: dict[str, Any]) -> None:
        if e["kind"] not in WEB_OR_SHOP:
            return
        left = None
        if e["kind"] == "page_leave" and e["dwell"] is not None:
            for v in self.waiting:
                if same(v["product"], e["product"]) and 0 <= e["ts"] - v["ts"] <= e["dwell"] * S + 30 * M:
                    left = v
        told = []
        for v in self.waiting:
            if v is left:
                told.append((v, e["dwell"], True))
            elif not v["told"] and 0 <= e["ts"] - v["ts"] <= 30 * M:
                told.append((v, (e["ts"] - v["ts"]) / S, False))
        self.waiting = [v for v in self.waiting if all(v is not other for other, _, _ in told)]
        short = []
        for v, dwell, by_leave in told:
            cancels = e["kind"] == "purchase" or (e["kind"] == "cart_add" and same(v["product"], e["product"]))
            if cancels:
                continue
            if dwell >= 30:
                self.open("product_page_abandonment", v, e["ts"])
            elif not by_leave:
                short.append({**v, "told": True})
        if short:
            before = [v for v in self.waiting if v["told"]] + short
            self.waiting = [*before[-2:], *(v for v in self.waiting if not v["told"])][-8:]

    def open(self, trigger: str, e: dict[str, Any], opened_at: int) -> None:
        by_product = trigger == "product_page_abandonment"
        for w in self.windows:
            if w["open"] and w["trigger"] == trigger:
                if trigger == "post_purchase" or (by_product and not same(w["product"], e["product"])):
                    continue
                self.join(w, e)
                return
        pause = AGAIN[self.pack].get(trigger, 0)
        for sent in self.sent:
            held = sent["trigger"] == trigger and self.now < sent["at"] + pause
            if held and (not by_product or same(sent["product"], e["product"])):
                return
        w = {
            "id": "",
            "trigger": trigger,
            "cause": e["id"],
            "product": e["product"],
            "order": e["order"],
            "step": 0,
            "due": opened_at + CHAINS[trigger][0],
            "open": True,
            "cart": {},
            "refunded": 0,
        }
        w["wake"] = max(w["due"], self.now)
        w["id"] = self.window_id(w, e)
        if trigger == "cart_abandonment":
            put(w["cart"], e)
        self.windows.append(w)
        self.out.append((trigger, e["id"], 0, "opened", self.now))
        for before in list(self.log):
            if before["ts"] > max(e["ts"], self.now - 48 * H) and before is not e and self.hit(w, before):
                self.end(w, "cancelled_by_event")
                return
        if CHAINS[trigger][0] == 0:
            self.fire([w])

    window_id: Any = None
    """(window, opening) → id as the engine makes it, only to break ties in the order of fires."""

    def join(self, w: dict[str, Any], e: dict[str, Any]) -> None:
        if w["trigger"] != "cart_abandonment":
            return
        fresh = e["product"][1] not in w["cart"]
        put(w["cart"], e)
        for before in self.log:
            overtook = before["kind"] == "cart_remove" and before["ts"] > max(e["ts"], self.now - 48 * H)
            if fresh and overtook and same(before["product"], e["product"]):
                take(w["cart"], before)
        self.restart(w, e["ts"])

    def restart(self, w: dict[str, Any], at: int) -> None:
        if self.pack == "merged" and w["step"] == 0:
            w["due"] = max(w["due"], at + 2 * H)
            w["wake"] = max(w["due"], self.now)

    def cancel(self, e: dict[str, Any]) -> None:
        for w in list(self.windows):
            if w["open"]:
                before = repr(w["cart"])
                if self.hit(w, e):
                    self.end(w, "cancelled_by_event")
                elif repr(w["cart"]) != before:
                    self.restart(w, e["ts"])

    def hit(self, w: dict[str, Any], e: dict[str, Any]) -> bool:
        """Whether `e` cancels `w`; takes out of its cart, or gives back of its order, what `e` says."""
        kind, trigger = e["kind"], w["trigger"]
        if trigger == "product_page_abandonment":
            return bool(e.get("placed")) or (kind == "cart_add" and same(e["product"], w["product"]))
        if trigger == "cart_abandonment":
            if kind == "cart_remove":
                take(w["cart"], e)
                return not w["cart"]
            return bool(e.get("placed"))
        if trigger == "post_purchase" and kind == "refund" and e["order"] == w["order"]:
            cost = sum(line["price"] for line in self.orders[w["order"]])
            w["refunded"] = max(cost, w["refunded"]) if e["amount"] is None else w["refunded"] + e["amount"]
            return bool(w["refunded"] >= cost)
        return False


def same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one[0] == other[0] or one[1] == other[1]


def put(cart: dict[str, list[int]], e: dict[str, Any]) -> None:
    line = cart.setdefault(e["product"][1], [0, e["ts"]])
    line[0] += e["quantity"] or 1
    line[1] = max(line[1], e["ts"])


def take(cart: dict[str, list[int]], e: dict[str, Any]) -> None:
    line = cart.get(e["product"][1])
    if line is None or e["ts"] < line[1]:
        return
    if e["quantity"] is None or e["quantity"] >= line[0]:
        del cart[e["product"][1]]
    else:
        line[0] -= e["quantity"]
