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
    "search_abandonment": [30 * M, 48 * H],
    "pricing_page_focus": [1 * H, 72 * H],
    "content_engagement": [4 * H, 44 * H],
    "link_click_pattern": [2 * H, 48 * H],
    "view_no_purchase_24h": [24 * H],
    "view_no_purchase_48h": [48 * H],
    "repeat_browsing": [3 * H, 48 * H],
    "wishlist": [3 * D, 14 * D],
}
S1 = {
    "product_page_abandonment",
    "cart_abandonment",
    "post_purchase",
    "search_abandonment",
    "pricing_page_focus",
    "content_engagement",
    "link_click_pattern",
}
PACKS = {"s1": S1, "merged": set(CHAINS)}
OF_PRODUCT = {"product_page_abandonment", "view_no_purchase_24h", "view_no_purchase_48h", "repeat_browsing", "wishlist"}
OF_MAIL = {"content_engagement", "link_click_pattern"}
GROUP = {"product_page_abandonment", "cart_abandonment", "view_no_purchase_24h", "view_no_purchase_48h", "repeat_browsing"}
LATE = {"post_purchase": 3 * D, "view_no_purchase_24h": 3 * D, "view_no_purchase_48h": 3 * D, "wishlist": 3 * D}
SEVEN = OF_PRODUCT | {"search_abandonment", "pricing_page_focus"}
AGAIN: dict[str, dict[str, int]] = {"s1": {}, "merged": {**dict.fromkeys(SEVEN, 7 * D), "cart_abandonment": 24 * H}}
ORDER = {
    "s1": dict.fromkeys(S1, 100),
    "merged": {
        "welcome": 10,
        "cart_abandonment": 30,
        "post_purchase": 40,
        "repeat_browsing": 40,
        "pricing_page_focus": 45,
        "product_page_abandonment": 50,
        "link_click_pattern": 55,
        "search_abandonment": 60,
        "wishlist": 65,
        "view_no_purchase_24h": 70,
        "view_no_purchase_48h": 75,
        "content_engagement": 80,
    },
}
WEB_OR_SHOP = {
    "product_view",
    "page_view",
    "page_leave",
    "cart_add",
    "cart_remove",
    "purchase",
    "refund",
    "search",
    "search_click",
    "wishlist_add",
    "wishlist_remove",
}


class Naive:
    """`most`: so many windows may be open."""

    def __init__(self, pack: str, start: int, most: int = 200) -> None:
        self.pack, self.now, self.ticked, self.most = pack, start, 0, most
        self.log: list[dict[str, Any]] = []
        self.windows: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.out: list[tuple[Any, ...]] = []
        self.orders: dict[str, list[dict[str, Any]]] = {}
        self.given_back: dict[str, int] = {}
        self.unsubscribed = self.welcomed = False
        self.mails: list[dict[str, Any]] = []
        self.counts: list[dict[str, Any]] = []

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
        over: list[dict[str, Any]] = []
        spoke = [w["id"] for w in self.windows if w["sent"]]
        for w in sorted(due, key=lambda w: (ORDER[self.pack][w["trigger"]], w["due"], w["id"])):
            steps = CHAINS[w["trigger"]]
            reason = None
            if self.now - w["due"] > LATE.get(w["trigger"], 6 * H):
                reason = "late_event"
            elif self.unsubscribed:
                reason = "unsubscribed"
            elif w["trigger"] == "post_purchase" and w["step"] == 3 and len(self.orders) < 5:
                reason = "condition_false"
            elif speakers := self.spoken_for(w):
                reason = "suppression_group"
                if not any(other["id"] in spoke for other in speakers):  # held until the renderer has answered whoever is only planned
                    self.out.append((w["trigger"], w["cause"], w["step"], reason, self.now))
            if reason:
                self.end(w, reason)
                continue
            self.out.append((w["trigger"], w["cause"], w["step"], "planned", self.now, w["due"]))
            self.sent.append({"trigger": w["trigger"], "product": w["product"], "at": self.now})
            mail = {"id": self.send_id(w), "final": w["trigger"] in OF_MAIL, "had": set(), "at": self.now}
            self.mails = [*self.mails, mail][-30:]
            w["sent"] = True
            if w["step"] + 1 == len(steps):
                over.append(w)  # it holds its group until the renderer has answered
            else:
                w["step"] += 1
                w["due"] += steps[w["step"]]
                w["wake"] = max(w["due"], self.now + 1)
        for w in over:
            w["open"] = False

    def spoken_for(self, w: dict[str, Any]) -> list[dict[str, Any]]:
        """Other windows of the group that have sent a mail about the same product and have not ended."""
        if w["trigger"] not in GROUP:
            return []
        return [
            other
            for other in self.windows
            if other is not w and other["open"] and other["sent"] and other["trigger"] in GROUP and set(about(other)) & set(about(w))
        ]

    def end(self, w: dict[str, Any], reason: str) -> None:
        for step in range(w["step"], len(CHAINS[w["trigger"]])):
            self.out.append((w["trigger"], w["cause"], step, reason, self.now))
        w["open"] = False

    # events

    def event(self, e: dict[str, Any]) -> None:
        """e: id, kind, ts, at, product (id, name) or None, dwell, quantity, order, amount, mail, page."""
        self.run_to(e["at"] - 1)
        self.now = max(self.now, e["at"])
        kind = e["kind"]
        if kind == "email_unsubscribe":
            self.unsubscribed = True
        new_order = kind == "purchase" and e["order"] not in self.orders
        if kind == "purchase":
            lines = self.orders.setdefault(e["order"], [])
            e["new_line"] = all(line["product"][0] != e["product"][0] for line in lines)
            if e["new_line"]:
                lines.append(e)
        if kind == "refund":
            self.give_back(e)
        if kind != "purchase":
            self.cancel(e)
        self.tell_gaps(e)
        for trigger in self.opened_by(e):
            self.open(trigger, e, e["ts"])
        if kind == "product_view" and e["dwell"] is None:
            self.waiting = [v for v in self.waiting if v["ts"] > self.now - 48 * H]
            self.waiting = [*self.waiting, {**e, "told": False}][-8:]
        self.log.append(e)
        if kind == "purchase":
            e["placed"] = new_order
            if new_order or e["new_line"]:
                self.cancel(e)
            if new_order:
                self.open("post_purchase", e, e["ts"])
        if not self.welcomed and not self.unsubscribed:
            self.welcomed = True
            self.open("welcome", e, e["ts"])

    def give_back(self, e: dict[str, Any]) -> None:
        """Money of an order given back, whether it is known yet or not; without an amount all that is left of a known one."""
        known, before = self.orders.get(e["order"]), self.given_back.get(e["order"], 0)
        left = max(0, sum(line["price"] for line in known) - before) if known else 0
        self.given_back[e["order"]] = before + (left if e["amount"] is None else e["amount"])

    def opened_by(self, e: dict[str, Any]) -> list[str]:
        kind = e["kind"]
        if kind == "product_view":
            told = e["dwell"] is not None and e["dwell"] >= 30
            return [*(["product_page_abandonment"] if told else []), "view_no_purchase_24h", "view_no_purchase_48h", "repeat_browsing"]
        if kind == "page_view":
            return ["pricing_page_focus"] if e["page"] == "pricing" else []
        if self.by_machine(e):
            return []
        simple = {
            "cart_add": "cart_abandonment",
            "search": "search_abandonment",
            "email_open": "content_engagement",
            "email_click": "link_click_pattern",
            "wishlist_add": "wishlist",
        }
        return [simple[kind]] if kind in simple else []

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
        if trigger not in PACKS[self.pack] or (trigger in OF_MAIL and not e["mail"]):
            return
        by_product = trigger in OF_PRODUCT
        for w in self.windows:
            if w["open"] and w["trigger"] == trigger:
                if trigger == "post_purchase" or (by_product and not same(w["product"], e["product"])):
                    continue
                if trigger in OF_MAIL and w["mail"] != e["mail"]:
                    continue
                self.join(w, e)
                return
        if self.spent(trigger, e) or not self.enough(trigger, e):
            return
        if trigger in OF_MAIL:
            self.answer(trigger, e["mail"])
        w = {
            "id": "",
            "trigger": trigger,
            "cause": e["id"],
            "product": e["product"],
            "order": e["order"],
            "mail": e["mail"],
            "step": 0,
            "due": opened_at + CHAINS[trigger][0],
            "opened": opened_at,
            "event": e["ts"],
            "open": True,
            "sent": False,
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
            fresh = before["ts"] > self.now - 48 * H
            clicked = trigger == "content_engagement" and before["kind"] == "email_click"
            if fresh and (clicked or before["ts"] > e["ts"]) and before is not e and self.hit(w, before):
                self.end(w, "cancelled_by_event")
                return
        self.give_way(w)
        if w["open"] and CHAINS[trigger][0] == 0:
            self.fire([w])

    def give_way(self, newcomer: dict[str, Any]) -> None:
        """The last by priority goes, of several the one opened last: no row says `converts`, and the pack counts on no share."""
        there = [w for w in self.windows if w["open"] and w is not newcomer]
        if len(there) < self.most:
            return
        order = ORDER[self.pack]
        last = max(order[w["trigger"]] for w in there)
        loser = newcomer
        if last > order[newcomer["trigger"]]:
            loser = max([w for w in there if order[w["trigger"]] == last], key=lambda w: (w["opened"], w["event"]))
        self.end(loser, "window_limit")

    def by_machine(self, e: dict[str, Any]) -> bool:
        """merged: what is opened or clicked within five seconds of its sending, somebody's filter looked at."""
        if self.pack != "merged" or e["kind"] not in ("email_open", "email_click"):
            return False
        return any(one["id"] == e["mail"] and one["at"] is not None and abs(e["ts"] - one["at"]) < 5 * S for one in self.mails)

    def spent(self, trigger: str, e: dict[str, Any]) -> bool:
        if trigger in OF_MAIL:
            mail = next((one for one in self.mails if one["id"] == e["mail"]), None)
            return mail is not None and (mail["final"] or trigger in mail["had"])
        pause = AGAIN[self.pack].get(trigger, 0)
        mine = [sent for sent in self.sent if sent["trigger"] == trigger and self.now < sent["at"] + pause]
        return any(trigger not in OF_PRODUCT or same(sent["product"], e["product"]) for sent in mine)

    def enough(self, trigger: str, e: dict[str, Any]) -> bool:
        """The second visit to a pricing page within 7 d; the third view of a product, on two days."""
        if trigger not in ("pricing_page_focus", "repeat_browsing"):
            return True
        mine = [
            one
            for one in self.counts
            if one["trigger"] == trigger and (trigger == "pricing_page_focus" or same(one["product"], e["product"]))
        ][:1]
        times = [at for one in mine for at in one["times"] if at > e["ts"] - 7 * D] + [e["ts"]]
        product = mine[0]["product"] if mine else e["product"]
        self.counts = [one for one in self.counts if one not in mine]
        need, days = (2, 1) if trigger == "pricing_page_focus" else (3, 2)
        if len(times) >= need and len({at // D for at in times}) >= days:
            return True
        times.sort()
        if len(times) > 20:
            del times[1]
        self.counts.append({"trigger": trigger, "product": product, "times": times})
        return False

    def answer(self, trigger: str, mail: str) -> None:
        known = next((one for one in self.mails if one["id"] == mail), None)
        if known is None:
            known = {"id": mail, "final": False, "had": set(), "at": None}
            self.mails = [*self.mails, known][-30:]
        known["had"].add(trigger)

    window_id: Any = None
    """(window, opening) → id as the engine makes it, only to break ties in the order of fires."""
    send_id: Any = None
    """window → id of its present step's mail as the engine makes it."""

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
        if e.get("placed"):
            self.counts = []
        elif e["kind"] == "cart_add":
            self.counts = [one for one in self.counts if one["trigger"] == "pricing_page_focus" or not same(one["product"], e["product"])]
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
        if trigger == "wishlist":
            bought = kind == "purchase" and e.get("new_line")
            return bool(bought or kind == "wishlist_remove") and same(e["product"], w["product"])
        if trigger == "post_purchase":
            if kind != "refund" or e["order"] != w["order"]:
                return False
            cost = sum(line["price"] for line in self.orders[w["order"]])
            w["refunded"] = max(cost, w["refunded"]) if e["amount"] is None else w["refunded"] + e["amount"]
            return bool(max(w["refunded"], self.given_back[w["order"]]) >= cost)
        if trigger == "welcome":
            return False
        if trigger == "cart_abandonment" and kind == "cart_remove":
            take(w["cart"], e)
            return not w["cart"]
        if trigger in ("product_page_abandonment", "repeat_browsing") and kind == "cart_add":
            return same(e["product"], w["product"])
        if trigger == "search_abandonment" and kind in ("search_click", "product_view"):
            return True
        if trigger == "content_engagement" and kind == "email_click":
            return bool(e["mail"] == w["mail"]) and not self.by_machine(e)
        return bool(e.get("placed"))


def about(w: dict[str, Any]) -> list[str]:
    """Names of the products a window is about."""
    return list(w["cart"]) if w["trigger"] == "cart_abandonment" else [w["product"][1]]


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
