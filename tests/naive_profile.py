"""A person's figures counted a second time, with lists and loops over everything that ever happened: the oracle of the whole profile.

Shares nothing with app/: times in ms, money as numbers of cents, weights and figures as the guides and interface.md sections 3 and 8 have
them. Slow; meant to be read beside them. An event is (type, ms, properties), in the order in which they arrive.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MONTH, QUARTER, YEAR = 30 * DAY, 90 * DAY, 365 * DAY
Told = tuple[str, int, dict[str, Any]]
Figures = dict[str, Any]

VISIT = {"page_view", "product_view", "search", "cart_add", "cart_remove", "purchase", "wishlist_add", "review_write", "content_download"}
PAGES = {"page_view", "product_view", "search"}
NOT_HER = {"email_sent", "refund"}
WEIGHTS = {"product_view": 1, "cart_add": 3, "purchase": 5, "email_click": 2, "review_write": 4}
SIGNALS = {"search": 8, "wishlist_add": 8, "content_download": 8, "social_engagement": 8}
WORTH = {"recommendations", "products", "offer"}


def recount(events: list[Told], now: int) -> Figures:
    """Path of the record → value, as of `now`."""
    orders, spent = ordered(events)
    mails = mailed(events)
    return {
        **seen(events),
        **bought(orders, spent, now),
        **liked(events, orders, now),
        **engaged(events, orders, spent, mails, now),
        **read(mails, any(told.get("timezone") for _, _, told in events), now),
        **rhythm([one["at"] for one in orders], now),
        **near(events, mails, now),
        **looked(events, orders),
        **asked(events),
    }


def younger(at: int | None, span: int, now: int) -> bool:
    return at is not None and now - at < span


# --- orders ---------------------------------------------------------------------------------------------------------------------


def ordered(events: list[Told]) -> tuple[list[dict[str, Any]], int]:
    """Orders, oldest first, and what she spent in cents, refunds of orders unheard of among it."""
    found: dict[str, dict[str, Any]] = {}
    for kind, at, told in events:
        if kind != "purchase":
            continue
        one = found.setdefault(told["order_id"], {"at": at, "total": None, "lines": {}, "deal": False, "names": {}, "pieces": []})
        one["deal"] |= bool(told.get("coupon"))
        if "total" in told:
            one["total"] = round(100 * told["total"])
        for line in told.get("products", [told]):
            price, quantity = one["lines"].get(line["product_id"], (None, None))
            price = line.get("price") if price is None else price
            one["lines"][line["product_id"]] = (price, line.get("quantity") if quantity is None else quantity)
            one["names"][line["category"]] = None
            one["pieces"].append((line.get("price") or 0, line["category"]))
    back: Counter[str] = Counter()
    for kind, _, told in events:
        if kind == "refund":
            back[told["order_id"]] += round(100 * told["amount"])
    for order_id, one in found.items():
        amount = one["total"]
        if amount is None:
            amount = sum(round(100 * price) * (quantity or 1) for price, quantity in one["lines"].values() if price is not None)
        one["net"] = max(0, amount - back[order_id])
    loose = sum(amount for order_id, amount in back.items() if order_id not in found)
    return sorted(found.values(), key=lambda one: one["at"]), sum(one["net"] for one in found.values()) - loose


def bought(orders: list[dict[str, Any]], spent: int, now: int) -> Figures:
    n, deals = len(orders), sum(one["deal"] for one in orders)
    dearest = [max(price for price, _ in one["pieces"]) for one in orders]
    ups = sum(price > median(dearest[:at]) for at, price in enumerate(dearest) if at)
    gaps = {}
    for name in {name for one in orders for name in one["names"]}:
        at = [one["at"] for one in orders if name in one["names"]]
        if len(at) > 1:
            gaps[name] = (at[-1] - at[0]) / (len(at) - 1) / DAY
    return {
        "orders": n,
        "spent.amount": spent / 100,
        "clv.value.amount": spent / 100,
        "average_order": None if not n else round(spent / n) / 100,
        "first_purchase_at": orders[0]["at"] if n else None,
        "last_purchase_at": orders[-1]["at"] if n else None,
        "deal_share": deals / n if n else None,
        "price_sensitivity": (deals + 1) / (n + 2),
        "receptivity.cross": sum(len(one["names"]) > 1 for one in orders) / n if n else 0,
        "receptivity.up": ups / (n - 1) if n > 1 else None,
        "cycle_days": gaps,
    }


def median(values: list[float]) -> float:
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def rhythm(at: list[int], now: int) -> Figures:
    n = len(at)
    mean = (at[-1] - at[0]) / (n - 1) if n > 1 else None
    enough = mean is not None and n > 2
    gaps = [(b - a) / 1000 for a, b in pairwise(at)]
    spread = math.sqrt(sum((gap - mean / 1000) ** 2 for gap in gaps) / (n - 2)) * 1000 if enough and mean else None
    return {
        "churn.mean_gap_days": None if mean is None else mean / DAY,
        "churn.spread_days": None if spread is None else spread / DAY,
        "churn.days_since_last": (now - at[-1]) / DAY if n else None,
        "churn.probability": 1 - math.exp(-max(0, now - at[-1] - mean) / mean) if enough and mean else None,
        "churn.next_purchase_at": at[-1] + round(mean) if enough and mean else None,
    }


# --- in the shop ------------------------------------------------------------------------------------------------------------------


def seen(events: list[Told]) -> Figures:
    at = [ts for kind, ts, _ in events if kind not in NOT_HER]
    return {"first_seen": min(at, default=None), "last_seen": max(at, default=None)}


def visits(events: list[Told]) -> list[dict[str, int]]:
    found: list[dict[str, int]] = []
    for kind, at, told in sorted((one for one in events if one[0] in VISIT), key=lambda one: one[1]):
        end = at + 1000 * min(1_800, told.get("dwell_seconds") or told.get("seconds") or 0)
        if not found or at > found[-1]["end"] + 30 * MINUTE:
            found.append({"start": at, "end": end, "pages": 0, "adds": 0})
        found[-1]["end"] = max(found[-1]["end"], end)
        found[-1]["pages"] += kind in PAGES
        found[-1]["adds"] += kind == "cart_add"
    return found


def liked(events: list[Told], orders: list[dict[str, Any]], now: int) -> Figures:
    behaved: list[tuple[str, int, float]] = []
    raised: set[tuple[str, str]] = set()
    increment: Counter[str] = Counter()
    last = None
    for kind, at, told in events:
        if last is not None and at - last >= MONTH:
            increment.clear()
        last = at if last is None else max(last, at)
        for line in told.get("products", [told]) if kind in WEIGHTS else ():
            name = line.get("category")
            if name is None or told.get("machine") or (kind == "purchase" and (told["order_id"], name) in raised):
                continue
            if kind == "purchase":
                raised.add((told["order_id"], name))
            behaved.append((name, at, WEIGHTS[kind]))
            if kind == "product_view":
                increment[name] = min(100, increment[name] + 5)
    decayed = {}
    for name in {name for name, _, _ in behaved}:
        decayed[name] = min(100, sum(worth * math.exp(-0.1 * ((now - at) // DAY)) for other, at, worth in behaved if other == name))
    decayed = {name: score for name, score in decayed.items() if score >= 1e-6}
    times = Counter(name for one in orders for name in one["names"])
    return {
        "interest.decayed": decayed,
        "interest.increment": dict(increment) if last is not None and now - last < MONTH else {},
        "primary_interest": max(sorted(decayed), key=lambda name: decayed[name], default=None),
        "favourite_categories": sorted({*times, *decayed}, key=lambda name: (-times[name], -decayed.get(name, 0), name))[:3],
    }


def looked(events: list[Told], orders: list[dict[str, Any]]) -> Figures:
    """By product, newest view first; and orders of what she had not looked at."""
    newest: dict[str, dict[str, Any]] = {}
    unseen, placed = 0, set()
    for kind, _, told in events:
        if kind == "product_view":
            newest.pop(told["product_id"], None)
            newest[told["product_id"]] = told
        elif kind == "purchase" and told["order_id"] not in placed:
            placed.add(told["order_id"])
            unseen += not {line["product_id"] for line in told.get("products", [told])} & set(newest)
    shown = list(reversed(newest.values()))
    paid: dict[str, list[float]] = {}
    for one in orders:
        price, name = max(one["pieces"])
        paid.setdefault(name, []).append(price)
    dearer = [
        told["category"] in paid and told["price"] > 1.2 * sum(paid[told["category"]]) / len(paid[told["category"]]) for told in shown
    ]
    return {
        "sale_share": sum("compare_at_price" in told for told in shown) / len(shown) if shown else None,
        "upsell": sum(dearer) / len(dearer) if dearer else None,
        "unseen_orders": unseen,
    }


def asked(events: list[Told]) -> Figures:
    tickets = {}
    for kind, _, told in sorted(events, key=lambda one: one[1]):
        if kind == "support_ticket":
            tickets[told["ticket_id"]] = told["status"]
    return {"tickets_open": sum(status == "open" for status in tickets.values())}


# --- mails ------------------------------------------------------------------------------------------------------------------------


def mailed(events: list[Told]) -> dict[str, dict[str, Any]]:
    """send_id → what became of it; `opens` and `clicks` as (ms, by a machine, element)."""
    found: dict[str, dict[str, Any]] = {}
    for kind, at, told in events:
        if kind not in ("email_sent", "email_open", "email_click"):
            continue
        one = found.setdefault(told["send_id"], {"sent": None, "opens": [], "clicks": [], "category": None, "content": None, "linked": []})
        if kind == "email_sent":
            one["sent"] = at
            one["category"], one["content"] = told["category"], told["content_type"]
        else:
            one["linked"] += [told["category"]] if told.get("category") else []
            one["opens" if kind == "email_open" else "clicks"].append((at, told.get("machine", False), told.get("element")))
    for one in found.values():
        one["category"] = one["category"] or min(one["linked"], default=None)  # what the mail says of itself, else what its links say
        for name in ("opens", "clicks"):
            judged = [(at, said or (one["sent"] is not None and abs(at - one["sent"]) < 5_000), part) for at, said, part in one[name]]
            one[name] = sorted(judged)
            one["first", name] = min((at for at, machine, _ in judged if not machine), default=None)
        one["at"] = one["sent"] if one["sent"] is not None else min(at for name in ("opens", "clicks") for at, _, _ in one[name])
    return found


def rates(mails: dict[str, dict[str, Any]], old: int, young: int, now: int) -> tuple[int, int, int]:
    def count(instants: list[int | None]) -> int:
        return sum(at is not None and young <= now - at < old for at in instants)

    sends = mails.values()
    firsts = ([one["first", name] for one in sends] for name in ("opens", "clicks"))
    return count([one["sent"] for one in sends]), *map(count, firsts)  # type: ignore[return-value]


def rate(part: int, whole: int) -> float:
    return min(1, part / whole) if whole else float(part > 0)


def by_mail(mails: dict[str, dict[str, Any]], orders: list[dict[str, Any]], ago: int, now: int) -> float:
    sent, opened, clicked = rates(mails, ago + MONTH, ago, now)
    clicks = sorted(at for one in mails.values() for at, machine, _ in one["clicks"] if not machine)
    then, count = now - ago, 0
    for one in orders:
        before = [at for at in clicks if at <= one["at"]]
        count += one["at"] <= then and then - one["at"] < QUARTER and bool(before) and then - before[-1] < QUARTER
    return 0.25 * rate(opened, sent) + 0.35 * rate(clicked, sent) + 0.4 * min(1, count / 2) if mails else 0


def engaged(events: list[Told], orders: list[dict[str, Any]], spent: int, mails: dict[str, dict[str, Any]], now: int) -> Figures:
    email, before = by_mail(mails, orders, 0, now), by_mail(mails, orders, MONTH, now)
    month = [one for one in visits(events) if younger(one["start"], MONTH, now)]
    n, pages, adds = len(month), sum(one["pages"] for one in month), sum(one["adds"] for one in month)
    minutes = sum(one["end"] - one["start"] for one in month) / MINUTE
    website = 0.3 * min(1, n / 8) + 0.25 * min(1, minutes / 30) + 0.2 * min(1, pages / n / 5 if n else 0) + 0.25 * min(1, adds / 4)
    purchase = 0.0
    if orders:
        year = sum(younger(one["at"], YEAR, now) for one in orders)
        average = max(0, spent / len(orders) / 100)
        recency = max(0, 1 - (now - orders[-1]["at"]) // DAY / 180)
        purchase = 0.4 * recency + 0.3 * min(1, year / 6) + 0.3 * min(1, average / 100)
    score = 0.4 * email + 0.35 * website + 0.25 * purchase
    opened = rates(mails, MONTH, 0, now)[1]
    return {
        "engagement.email": email,
        "engagement.website": website,
        "engagement.purchase": purchase,
        "engagement.score": score,
        "engagement.band": min(9, math.floor(round(10 * score, 9))),
        "engagement.shift": (email - before) / before if before > 0 else None,
        "interest.points": 2 * opened + 5 * adds,
    }


def read(mails: dict[str, dict[str, Any]], in_tokyo: bool, now: int) -> Figures:
    sends = list(mails.values())
    sent, opened, _ = rates(mails, MONTH, 0, now)
    quarter = [one for one in sends if younger(one["at"], QUARTER, now)]
    relevance: dict[str, list[bool]] = {}
    kinds: dict[str, list[tuple[bool, bool]]] = {}
    for one in quarter:
        if one["category"]:
            relevance.setdefault(one["category"], []).append(one["first", "clicks"] is not None)
        if one["content"]:
            kinds.setdefault(one["content"], []).append((one["first", "opens"] is not None, one["first", "clicks"] is not None))
    taken = {name: sum(click for _, click in found) or sum(opens for opens, _ in found) for name, found in kinds.items()}
    acts = [
        (at, part) for one in sends for at, machine, part in (*one["opens"], *one["clicks"]) if not machine and younger(at, QUARTER, now)
    ]
    hours = Counter((at // HOUR + 3 * 24 + 9 * in_tokyo) % 168 for at, _ in acts)  # 1970 began on a Thursday; Tokyo is 9 h ahead
    in_quarter = rates(mails, QUARTER, 0, now)[0]
    last = {name: max((at for one in sends for at, _, _ in one[name]), default=None) for name in ("opens", "clicks")}
    best = max(sorted(taken), key=lambda name: taken[name], default=None)
    return {
        "email.sent": sum(one["sent"] is not None for one in sends),
        "email.opened": sum(bool(one["opens"]) for one in sends),
        "email.clicked": sum(bool(one["clicks"]) for one in sends),
        "email.machine_opens": sum(any(machine for _, machine, _ in one["opens"]) for one in sends),
        "email.last_sent_at": max((one["sent"] for one in sends if one["sent"] is not None), default=None),
        "email.last_opened_at": last["opens"],
        "email.last_clicked_at": last["clicks"],
        "relevance": {name: sum(found) / len(found) for name, found in relevance.items()},
        "personalisation": min(1, sum(part in WORTH for _, part in acts) / in_quarter) if in_quarter else None,
        "propensity.engagement": (min(opened, sent) + 1) / (sent + 2),
        "propensity.content": best if best is not None and taken[best] else None,
        "propensity.hours": sorted(hours, key=lambda hour: (-hours[hour], hour))[:3],
    }


# --- intent -------------------------------------------------------------------------------------------------------------------------


def near(events: list[Told], mails: dict[str, dict[str, Any]], now: int) -> Figures:
    """Of events that arrived in order of time."""
    signals: list[tuple[int, int]] = []
    cart: dict[str, list[int]] = {}
    views: list[tuple[int, str, str]] = []
    for kind, at, told in events:
        if kind == "page_view":
            signals.append((at, 25 if told["page_type"] == "pricing" else 8 if told["page_type"] == "blog" else 1))
        elif kind == "product_view":
            views.append((at, told["category"], told["product_id"]))
            beside = {product for then, name, product in views if name == told["category"] and younger(then, DAY, at)}
            signals.append((at, 25 if len(beside) >= 3 else 8))
        elif kind in ("email_open", "email_click"):
            one = mails[told["send_id"]]
            machine = told.get("machine", False) or (one["sent"] is not None and abs(at - one["sent"]) < 5_000)
            if not machine:
                signals.append((at, 1 if kind == "email_open" else 8))
        elif kind == "cart_add":
            cart.setdefault(told["product_id"], []).append(at)
        elif kind == "cart_remove":
            cart.pop(told["product_id"], None)
        elif kind == "purchase":
            cart.clear()
        elif kind in SIGNALS:
            signals.append((at, SIGNALS[kind]))
    signals += [(at, 25) for adds in cart.values() for at in adds]
    high = any(worth == 25 and younger(at, DAY, now) for at, worth in signals)
    browsed = [at for at, worth in signals if worth == 8] + [at for at, _, _ in views]
    medium = any(younger(at, 7 * DAY, now) for at in browsed)
    return {
        "intent.score": min(100, sum(worth * 0.5 ** ((now - at) / DAY) for at, worth in signals)),
        "intent.level": "high" if high else "medium" if medium else "low",
    }
