"""The rules of windows that a pack may ask for, each with a pack of its own (interface.md section 6)."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import msgspec
import pytest

from app.domain import experiments, goals, originals, repeats
from app.domain.effects import Conclude
from app.domain.trigger import Arm, Experiment, Pack
from app.events import Conclusion, Rendered
from app.policy.messages import SHIPPED, build_messages
from app.policy.pack import Built, compile_artifact
from app.policy.schema import Source
from tests.her import ALL, DAY, HOUR, MINUTE, MONDAY, SECOND, Her

HEAD = """
name = "rules"
why  = "one rule at a time"
[sender]
from = "hello@shop.example"
name = "Shop"
[consent]
track       = "opt_out"
email       = "opt_out"
personalise = "opt_out"
[[group]]
name  = "one-product"
why   = "one conversation"
scope = "product"
[[group]]
name  = "her"
why   = "one conversation"
scope = "person"
"""
SHOE = {"product_id": "p1", "product_name": "Trail shoe", "price": 89.0, "category": "shoes"}
SOCK = {"product_id": "p2", "product_name": "Sock", "price": 9.5, "category": "socks"}


@cache
def pack(rows: str) -> Pack:
    messages, faults = build_messages(["product-details", "related-products", "cart-reminder", "cart-last-call", "usage-tips"], [SHIPPED])
    assert not faults
    return compile_artifact("rules@1", msgspec.json.encode(Built(HEAD + rows, messages)))


def row(name: str, on: str, more: str = "", scope: str = "person", wait: str = "2h", send: str = "product-details") -> str:
    opening = on if "on =" in on else f'on = "{on}", scope = "{scope}"'
    return f'[[trigger]]\nname = "{name}"\nwhy = "x"\nopen = {{ {opening} }}\nwait = "{wait}"\nsend = "{send}"\n{more}\n'


def ends(her: Her, trigger: str) -> list[tuple[int, str]]:
    return [(step, reason or outcome) for name, step, outcome, reason in her.decisions() if name == trigger]


class Heard(Her):
    """Her, and the conclusions drawn about her."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.conclusions: list[Conclusion] = []
        super().__init__(*args, **more)

    def _take(self, effects: list[Any]) -> None:
        self.conclusions += [one.conclusion for one in effects if isinstance(one, Conclude)]
        super()._take(effects)


# --- several events open (count) ------------------------------------------------------------------------------------------------

PRICING = row("pricing", '''on = "page_view", when = "event.page_type == 'pricing'", count = 2, within = "7d"''', wait="1h")


def test_the_second_pricing_visit_opens_and_the_first_does_not() -> None:
    #
    her = Her(pack(PRICING))
    her.event("page_view", 0, page_type="pricing")
    her.event("page_view", HOUR, page_type="faq")
    assert ends(her, "pricing") == []
    second = her.event("page_view", 2 * DAY, page_type="pricing")
    her.until(3 * DAY)
    assert her.sends() == [("product-details", "2 01:00:00")]
    assert her.plans[0].cause == [second]


def test_two_visits_more_than_seven_days_apart_do_not_count_together() -> None:
    her = Her(pack(PRICING))
    her.event("page_view", 0, page_type="pricing")
    her.event("page_view", 7 * DAY, page_type="pricing")
    assert ends(her, "pricing") == []
    her.event("page_view", 7 * DAY + HOUR, page_type="pricing")
    assert len(ends(her, "pricing")) == 1, "the second and the third are within 7 d"


def test_counts_start_anew_at_each_opening() -> None:
    her = Her(pack(PRICING))
    for n in range(2):
        her.event("page_view", n * MINUTE, page_type="pricing")
    her.until(DAY)
    her.event("page_view", DAY, page_type="pricing")
    assert len(her.decisions("opened")) == 1
    her.event("page_view", DAY + MINUTE, page_type="pricing")
    assert len(her.decisions("opened")) == 2


REPEAT = row(
    "repeat",
    'on = "product_view", scope = "product", count = 3, within = "7d", days = 2',
    'cancel = [{ on = "cart_add", scope = "product" }]',
)


def test_the_third_view_on_another_day_opens() -> None:
    #
    her = Her(pack(REPEAT))
    for t in (0, HOUR, 2 * HOUR):
        her.event("product_view", t, **SHOE)
    assert her.decisions() == [], "three views of one day are one visit"
    her.event("product_view", DAY, **SOCK)
    her.event("product_view", DAY, **{**SHOE, "product_id": "p1-42"})
    assert her.decisions() == [("repeat", 0, "opened", None)], "the family counts, another product does not"


def test_a_cart_add_in_between_starts_the_count_anew() -> None:
    her = Her(pack(REPEAT))
    for t in (0, HOUR):
        her.event("product_view", t, **SHOE)
    her.event("cart_add", 2 * HOUR, **SHOE)
    her.event("product_view", DAY, **SHOE)
    assert her.decisions() == []


def test_counts_are_bounded_and_survive_a_crash() -> None:
    her = Her(pack(REPEAT))
    for n in range(repeats.MAX_COUNTS + 5):
        her.event("product_view", n * SECOND, product_id=f"q{n}")
    for n in range(repeats.MAX_TIMES + 5):
        her.event("product_view", HOUR + n * SECOND, **SHOE)
    counts = her.group.person.windows.counts
    assert len(counts) == repeats.MAX_COUNTS and max(len(one.times) for one in counts) == repeats.MAX_TIMES
    her.store_and_load()
    her.event("product_view", DAY, **SHOE)
    assert len(her.decisions("opened")) == 1


# --- closes ---------------------------------------------------------------------------------------------------------------------


def test_an_idle_window_waits_for_her_silence() -> None:
    her = Her(pack(row("idle", "cart_add", "idle = true", wait="30min")))
    her.event("cart_add", 0, **SHOE)
    for minute in (20, 40, 65):
        her.event("page_view", minute * MINUTE)
    her.event("email_open", 80 * MINUTE, send_id="s")
    her.until(94 * MINUTE)
    assert her.sends() == []
    her.until(95 * MINUTE)
    assert her.sends() == [("product-details", "0 01:35:00")], "30 min after the last thing she did in the shop; a mail is not that"


def test_an_order_that_waits_for_its_delivery() -> None:
    # interface.md section 6: delivery = true counts from order_delivered
    mine = pack(row("arrived", "purchase", "delivery = true", scope="order_id", wait="2d", send="usage-tips"))
    her = Her(mine)
    her.event("purchase", 0, order_id="o1", products=[SHOE])
    her.until(5 * DAY)
    her.event("order_delivered", 5 * DAY, order_id="o2")
    her.event("order_delivered", 6 * DAY, order_id="o1")
    her.event("order_delivered", 7 * DAY, order_id="o1")
    her.until(9 * DAY)
    assert her.sends() == [("usage-tips", "8 00:00:00")]
    assert her.plans[0].opened_at == MONDAY

    told_first = Her(mine)
    told_first.event("order_delivered", DAY, order_id="o1")
    told_first.event("purchase", 0, arrives=DAY + HOUR, order_id="o1", products=[SHOE])
    told_first.until(4 * DAY)
    assert told_first.sends() == [("usage-tips", "3 00:00:00")]

    lost = Her(mine)
    lost.event("purchase", 0, order_id="o1", products=[SHOE])
    lost.until(70 * DAY)
    assert lost.sends() == [] and ends(lost, "arrived") == [(0, "opened"), (0, "expired")]


# --- chains ---------------------------------------------------------------------------------------------------------------------


def test_a_follow_up_that_comes_whatever_became_of_the_first() -> None:
    chain = (
        'when = "window.views > 1"\n'
        'follow_up = [{ wait = "1h", send = "related-products" }, { wait = "3h", send = "cart-reminder", after = "any" }]'
    )
    her = Her(pack(row("chain", "product_view", chain, scope="product")))
    her.event("product_view", 0, **SHOE)
    her.until(DAY)
    assert her.sends() == [("cart-reminder", "0 06:00:00")], "from the due_at of the one before: 2 h, 1 h, 3 h"
    assert ends(her, "chain") == [(0, "opened"), (0, "condition_false"), (1, "condition_false")]


def test_after_sent_ends_the_chain_with_the_reason_of_the_step_before() -> None:
    her = Her(pack(row("chain", "product_view", 'when = "window.views > 1"\nfollow_up = [{ wait = "1h", send = "related-products" }]')))
    her.event("product_view", 0, **SHOE)
    her.until(DAY)
    assert her.sends() == [] and ends(her, "chain")[1:] == [(0, "condition_false"), (1, "condition_false")]


def test_what_the_renderer_could_not_make_does_not_end_a_chain_that_goes_on_regardless() -> None:
    her = Her(pack(row("chain", "product_view", 'follow_up = [{ wait = "1h", send = "related-products", after = "any" }]')))
    her.answers = "missing_content"
    her.event("product_view", 0, **SHOE)
    her.until(DAY)
    assert her.sends() == [("product-details", "0 02:00:00"), ("related-products", "0 03:00:00")]
    assert her.group.person.windows.open == ()


def test_a_programme_goes_on_while_its_condition_holds() -> None:
    # multi-step and adaptive
    her = Her(pack(row("club", "content_download", 'every = "7d"\nwhen = "profile.orders < 1"', wait="1d", send="usage-tips")))
    her.event("content_download", 0)
    her.until(20 * DAY)
    assert [when for _, when in her.sends()] == ["1 00:00:00", "8 00:00:00", "15 00:00:00"]
    assert [plan.step for plan in her.plans] == [0, 1, 2] and len({plan.send_id for plan in her.plans}) == 3
    her.event("purchase", 21 * DAY, order_id="o1", products=[SHOE])
    her.until(60 * DAY)
    assert len(her.sends()) == 3 and ends(her, "club")[-1] == (3, "condition_false")
    assert her.group.person.windows.open == ()


def test_a_programme_of_three_messages_ends_with_the_third() -> None:
    her = Her(pack(row("club", "content_download", 'every = "7d"\ntimes = 3', wait="0s", send="usage-tips")))
    her.event("content_download", 0)
    her.until(90 * DAY)
    assert len(her.sends()) == 3 and her.group.person.windows.open == ()


def test_a_cancelled_programme_says_so_once() -> None:
    her = Her(pack(row("club", "content_download", 'every = "7d"\ncancel = [{ on = "purchase" }]', wait="1d")))
    her.event("content_download", 0)
    her.until(2 * DAY)
    her.event("purchase", 3 * DAY, order_id="o1", products=[SHOE])
    assert ends(her, "club")[1:] == [(1, "cancelled_by_event")]


# --- choices --------------------------------------------------------------------------------------------------------------------


def test_a_decision_tree_names_the_message() -> None:
    # nested if-then; bought in category A → offer B
    choose = (
        'choose = [{ when = "event.category == \'shoes\' && profile.orders > 0", send = "usage-tips" },'
        ' { when = "event.category == \'shoes\'", send = "related-products" }]'
    )
    mine = pack(row("tree", "product_view", choose, scope="product"))
    for before, about, message in ((0, SHOE, "related-products"), (1, SHOE, "usage-tips"), (1, SOCK, "product-details")):
        her = Her(mine)
        for n in range(before):
            her.event("purchase", 0, order_id=f"o{n}", products=[SOCK])
        her.event("product_view", HOUR, **about)
        her.until(DAY)
        assert [one for one, _ in her.sends()] == [message]
        assert her.plans[0].values.get("chosen", "") == (
            "" if about is SOCK else her.pack.triggers[0].steps[0].choices[1 - before].when.text
        )


# --- suppression groups ---------------------------------------------------------------------------------------------------------

ONE = row("first", "product_view", 'group = "one-product"\nfollow_up = [{ wait = "24h", send = "related-products" }]', scope="product")
OTHER = row("second", "product_view", 'group = "one-product"', scope="product", wait="4h", send="usage-tips")


def test_who_speaks_first_about_a_product_is_not_interrupted() -> None:
    #
    her = Her(pack(ONE + OTHER))
    her.event("product_view", 0, **SHOE)
    her.event("product_view", HOUR, **SOCK)
    her.until(3 * DAY)
    assert [one for one, _ in her.sends()] == ["product-details", "product-details", "related-products", "related-products"]
    assert ends(her, "second") == [(0, "opened"), (0, "opened"), (0, "suppression_group"), (0, "suppression_group")]
    held = next(one for one in her.decided if one.reason == "suppression_group")
    assert held.values["group"] == "one-product" and held.values["held_by"] == "first"


def test_a_group_is_free_again_when_the_window_of_who_spoke_has_ended() -> None:
    her = Her(pack(row("first", "product_view", 'group = "one-product"', scope="product") + OTHER))
    her.event("product_view", 0, **SHOE)
    her.until(DAY)
    assert [one for one, _ in her.sends()] == ["product-details", "usage-tips"], "the first window ended with its only message"


def test_a_row_takes_its_group_over_from_one_that_spoke_and_that_one_ends() -> None:
    first = row("first", "product_view", 'group = "her"\nfollow_up = [{ wait = "24h", send = "related-products" }]')
    dearer = row("second", "wishlist_add", 'group = "her"\ntakes_over = ["first"]', wait="4h", send="usage-tips")
    her = Her(pack(first + dearer))
    her.event("product_view", 0, **SHOE)
    her.event("wishlist_add", HOUR, **SOCK)
    her.until(3 * DAY)
    assert her.sends() == [("product-details", "0 02:00:00"), ("usage-tips", "0 05:00:00")]
    assert ends(her, "first") == [(0, "opened"), (1, "suppression_group")]
    (ended,) = [one for one in her.decided if one.reason == "suppression_group"]
    assert ended.at == "2026-03-02T05:00:00.000Z" and ended.values["held_by"] == "second"
    assert her.group.person.windows.open == ()


def test_what_is_taken_over_goes_on_where_the_other_could_not_be_written() -> None:
    first = row("first", "product_view", 'group = "her"\nfollow_up = [{ wait = "24h", send = "related-products" }]')
    her = Her(pack(first + row("second", "wishlist_add", 'group = "her"\ntakes_over = ["first"]', wait="4h", send="usage-tips")))
    her.event("product_view", 0, **SHOE)
    her.event("wishlist_add", HOUR, **SOCK)
    her.until(3 * HOUR)
    her.answers = "missing_content"
    her.until(6 * HOUR)
    her.answers = None
    her.until(3 * DAY)
    assert her.plans[-1].message == "related-products" and ends(her, "first") == [(0, "opened")]


def test_a_follow_up_that_is_being_written_is_waited_for() -> None:
    """Both are due at one instant: the holder's message, asked first, goes out; then it is taken over from."""
    later = 'follow_up = [{ wait = "2h", send = "related-products" }, { wait = "1d", send = "usage-tips" }]'
    first = row("first", "product_view", f'group = "her"\npriority = 1\n{later}')
    her = Her(pack(first + row("second", "product_view", 'group = "her"\ntakes_over = ["first"]', wait="4h", send="cart-reminder")))
    her.event("product_view", 0, **SHOE)
    her.until(3 * DAY)
    assert [one for one, _ in her.sends()] == ["product-details", "related-products", "cart-reminder"]
    assert ends(her, "first")[-1] == (2, "suppression_group")


def test_a_cart_speaks_for_each_product_in_it() -> None:
    cart = row(
        "cart",
        "cart_add",
        'group = "one-product"\nfollow_up = [{ wait = "24h", send = "cart-last-call" }]',
        wait="1h",
        send="cart-reminder",
    )
    her = Her(pack(cart + OTHER))
    her.event("cart_add", 0, **SHOE)
    her.event("product_view", 0, **SHOE)
    her.event("product_view", 0, **SOCK)
    her.until(5 * HOUR)
    assert her.sends() == [("cart-reminder", "0 01:00:00"), ("usage-tips", "0 04:00:00")]
    assert ends(her, "second") == [(0, "opened"), (0, "opened"), (0, "suppression_group")]


def test_a_group_of_the_person_holds_whatever_the_product() -> None:
    first = row("first", "product_view", 'group = "her"\nfollow_up = [{ wait = "24h", send = "related-products" }]', scope="product")
    her = Her(pack(first + row("second", "wishlist_add", 'group = "her"', scope="product", wait="3h", send="usage-tips")))
    her.event("product_view", 0, **SHOE)
    her.event("wishlist_add", 0, **SOCK)
    her.until(DAY)
    assert [one for one, _ in her.sends()] == ["product-details"]


def test_what_was_planned_together_holds_each_other_by_priority() -> None:
    rows = row("late", "product_view", 'group = "her"\npriority = 20', send="usage-tips") + row(
        "soon", "product_view", 'group = "her"\npriority = 10'
    )
    her = Her(pack(rows))
    her.answers = ""
    her.event("product_view", 0, **SHOE)
    her.until(3 * HOUR)
    assert her.sends() == [("product-details", "0 02:00:00")], "a plan reserves the group before its answer is there"


# --- goals ----------------------------------------------------------------------------------------------------------------------

GOAL = row("aim", "product_view", 'goal = { on = "purchase", within = "5d" }\nfollow_up = [{ wait = "1d", send = "related-products" }]')


def test_a_goal_is_concluded_once_and_only_in_its_time() -> None:
    her = Heard(pack(GOAL))
    her.event("product_view", 0, **SHOE)
    her.event("purchase", HOUR, order_id="o0", products=[SOCK])
    her.until(3 * HOUR)
    her.event("purchase", 4 * HOUR, order_id="o1", products=[SOCK])
    her.event("purchase", 5 * HOUR, order_id="o2", products=[SOCK])
    reached = [one for one in her.conclusions if one.kind == goals.KIND]
    assert [(one.value, one.cause, one.values["step"], one.values["hours"]) for one in reached] == [("aim", "e3", 0, 2.0)]
    assert reached[0].values["window_id"] == her.plans[0].window_id and reached[0].values["send_id"] == her.plans[0].send_id


def test_a_purchase_after_its_time_reaches_no_goal() -> None:
    her = Heard(pack(GOAL))
    her.event("product_view", 0, **SHOE)
    her.until(2 * DAY)
    her.event("purchase", 2 * HOUR + DAY + 5 * DAY + SECOND, order_id="o1", products=[SOCK])
    assert [one for one in her.conclusions if one.kind == goals.KIND] == []


# --- experiments ----------------------------------------------------------------------------------------------------------------


def timing(arms: str, enabled: str = "true", more: str = "") -> str:
    experiment = f'[[experiment]]\nname = "timing"\nwhy = "x"\nenabled = {enabled}\ntriggers = ["cart"]\narm = [{arms}]\n'
    return row("cart", "cart_add", f'again = "1d"\n{more}', send="cart-reminder") + experiment


ARMS = '{ name = "at_once", share = 0.34, wait = "0s" }, { name = "two", share = 0.33 }, { name = "day", share = 0.33, wait = "24h" }'


class Somebody(Heard):
    """Another person."""

    def __init__(self, who: str, rules: Pack, assume: frozenset[str] = ALL) -> None:
        super().__init__(rules, assume)
        self.group = type(self.group)(msgspec.structs.replace(self.group.person, person_id=who))


def test_each_arm_waits_its_own_time() -> None:
    # 0, 2 h, 24 h
    found: dict[str, str] = {}
    for n in range(20):
        her = Somebody(f"{n:032x}", pack(timing(ARMS)))
        her.event("cart_add", 0, **SHOE)
        her.until(2 * DAY)
        ((_, when),) = her.sends()
        found[dict(her.plans[0].arms)["timing"]] = when
        assert her.decided[0].values["arms"] == dict(her.plans[0].arms) == her.plans[0].view["arms"]
    assert found == {"at_once": "0 00:00:00", "two": "0 02:00:00", "day": "1 00:00:00"}


def test_an_experiment_that_is_not_switched_on_draws_nothing() -> None:
    her = Her(pack(timing(ARMS, enabled="false")))
    her.event("cart_add", 0, **SHOE)
    her.until(DAY)
    assert her.sends() == [("cart-reminder", "0 02:00:00")] and her.plans[0].arms == []


def test_people_of_the_control_arm_get_nothing_and_are_counted_alike() -> None:
    arms = '{ name = "none", share = 0.5, control = true }, { name = "mail", share = 0.5 }'
    more = 'goal = { on = "purchase", within = "5d" }\nfollow_up = [{ wait = "1d", send = "cart-last-call" }]'
    outcomes = Counter[str]()
    for n in range(12):
        her = Somebody(f"{n:032x}", pack(timing(arms, more=more)))
        her.event("cart_add", 0, **SHOE)
        her.until(2 * DAY)
        her.event("purchase", 2 * DAY, order_id="o1", products=[SOCK])
        arm = dict(her.decided[0].values["arms"])["timing"]
        outcomes[arm] += 1
        assert len(her.sends()) == (0 if arm == "none" else 2)
        if arm == "none":
            assert ends(her, "cart") == [(0, "opened"), (0, "control_arm"), (1, "control_arm")], "a ghost for each message"
            assert her.decided[1].values["message"] == "cart-reminder"
        (reached,) = [one for one in her.conclusions if one.kind == goals.KIND]
        assert reached.values["silent"] == ("control_arm" if arm == "none" else None)
        assert reached.values["arms"] == [{"experiment": "timing", "arm": arm}]
    assert min(outcomes.values()) > 0 and len(outcomes) == 2


def test_a_ghost_goes_only_where_a_message_would_have_gone() -> None:
    arms = '{ name = "none", share = 1.0, control = true }'
    her = Her(pack(timing(arms)))
    her.event("cart_add", 0, **SHOE)
    her.event("email_unsubscribe", HOUR)
    her.until(DAY)
    assert ends(her, "cart") == [(0, "opened"), (0, "unsubscribed")]


def test_who_is_held_out_gets_nothing_from_any_trigger() -> None:
    mine = pack(row("cart", "cart_add", send="cart-reminder") + '[holdout]\nshare = 0.5\nwhy = "what is it all worth"\n')
    silent = 0
    for n in range(40):
        her = Somebody(f"{n:032x}", mine)
        her.event("cart_add", 0, **SHOE)
        her.until(DAY)
        silent += her.sends() == []
        assert ends(her, "cart")[1:] in ([], [(0, "holdout")])
    assert 10 < silent < 30


def test_shares_come_out_and_an_arm_is_for_good() -> None:
    # A.25 faults 1 and 4
    framework = Experiment(
        "personalization",
        ("welcome",),
        (Arm("control", 0.2), Arm("basic_personalization", 0.25), Arm("advanced_personalization", 0.25), Arm("ai_personalization", 0.3)),
    )
    people = [f"{n:032x}" for n in range(20_000)]
    drawn = Counter(experiments.arm(framework, one).name for one in people)
    for one in framework.arms:
        assert abs(drawn[one.name] / len(people) - one.weight) < 0.01
    assert [experiments.arm(framework, one).name for one in people[:50]] == [experiments.arm(framework, one).name for one in people[:50]]
    assert experiments.bucket("personalization", "0" * 32) == 4_228, "the same in every process and version"
    other = Experiment("other", ("welcome",), framework.arms)
    both = Counter((experiments.arm(framework, one).name, experiments.arm(other, one).name) for one in people)
    assert abs(both["control", "control"] / len(people) - 0.04) < 0.01, "two experiments do not follow each other"


def test_a_grid_of_factors_has_an_arm_for_each_combination() -> None:
    # several variables at once
    grid = (
        '[[experiment]]\nname = "look"\nwhy = "x"\nenabled = true\ntriggers = ["cart"]\n'
        'factors = { subject = ["plain", "question"], layout = ["short", "long"] }\n'
    )
    (look,) = pack(row("cart", "cart_add") + grid).experiments["cart"]
    assert [(one.name, one.factors) for one in look.arms][1] == ("plain/long", (("subject", "plain"), ("layout", "long")))
    assert {one.weight for one in look.arms} == {0.25}


# --- mails as a scope -----------------------------------------------------------------------------------------------------------

OPENED = row(
    "reread",
    "email_open",
    'cancel = [{ on = "email_click", scope = "send_id", before = true }]',
    scope="send_id",
    wait="4h",
    send="related-products",
)
VIEWED = row("viewed", "product_view", scope="product")


def test_a_mail_opened_and_not_clicked_has_its_window_once() -> None:
    #
    her = Her(pack(VIEWED + OPENED))
    her.event("product_view", 0, **SHOE)
    her.until(3 * HOUR)
    sent = her.plans[0].send_id
    her.event("email_open", 3 * HOUR, send_id=sent)
    her.event("email_open", 4 * HOUR, send_id=sent)
    her.until(DAY)
    her.event("email_open", DAY, send_id=sent)
    her.until(2 * DAY)
    assert her.sends() == [("product-details", "0 02:00:00"), ("related-products", "0 07:00:00")]
    about = her.plans[1].view
    assert about["event"]["message"] == "product-details" and about["window"]["products"][0]["product_name"] == "Trail shoe"


def test_a_click_before_the_open_counts() -> None:
    her = Her(pack(OPENED))
    her.event("email_click", 0, send_id="theirs", link="https://shop.example")
    her.event("email_open", 10 * SECOND, send_id="theirs")
    her.until(DAY)
    assert her.sends() == [] and ends(her, "reread") == [(0, "opened"), (0, "cancelled_by_event")]


def test_mails_of_others_have_a_window_too_without_their_content() -> None:
    her = Her(pack(OPENED))
    her.event("email_open", 0, send_id="theirs")
    her.event("email_click", HOUR, send_id="another", link="https://shop.example")
    her.until(DAY)
    assert her.sends() == [("related-products", "0 04:00:00")]
    assert her.plans[0].view["window"]["products"] == []


def test_an_answer_to_an_open_is_not_answered_again() -> None:
    her = Her(pack(VIEWED + OPENED))
    her.event("email_open", 0, send_id="theirs")
    her.until(5 * HOUR)
    her.event("email_open", 6 * HOUR, send_id=her.plans[0].send_id)
    her.until(2 * DAY)
    assert len(her.sends()) == 1


def test_an_open_without_a_send_id_is_about_no_mail() -> None:
    her = Her(pack(OPENED))
    her.event("email_open", 0)
    her.until(DAY)
    assert her.decisions() == []


def test_her_mails_are_bounded() -> None:
    her = Her(pack(OPENED))
    for n in range(originals.MAX_ORIGINALS + 10):
        her.event("email_open", n * SECOND, send_id=f"s{n}")
    mails = her.group.history.originals.mails
    assert len(mails) == originals.MAX_ORIGINALS and mails[-1].send_id == f"s{originals.MAX_ORIGINALS + 9}"


# --- packs ----------------------------------------------------------------------------------------------------------------------

BAD = [
    (row("a", 'on = "page_view", count = 2, days = 3'), "3 days"),
    (row("a", 'on = "page_view", count = 0'), "count: a whole number"),
    (row("a", 'on = "page_view", within = "7d"'), "count is missing"),
    (row("a", 'on = "page_view", count = 3, days = 3, within = "1d"'), "3 days are longer"),
    (row("a", 'on = "purchase", count = 2'), "count: of orders the profile knows the number"),
    (row("a", "product_view", scope="send_id"), "product_view is not about a message that was sent"),
    (row("a", "page_view", 'wait2 = "-2h"'), "unknown field 'wait2'"),
    (row("a", "page_view", wait="-2h"), "wait: a duration"),
    (row("a", "page_view", 'group = "nobody"'), "unknown group 'nobody'"),
    (row("a", "page_view", 'takes_over = ["b"]'), "takes_over: group is missing"),
    (row("a", "page_view", "delivery = true"), "delivery: only a window of an order"),
    (row("a", "page_view", 'every = "5min"'), "every: at least 1h"),
    (row("a", "page_view", "times = 3"), "times: every is missing"),
    (row("a", "page_view", 'goal = { on = "purchase" }'), "within is missing"),
    (row("a", "page_view", 'goal = { on = "purchase", within = "0s" }'), "a goal that has no time"),
    (row("a", "page_view", 'every = "0s"'), "every: at least 1h"),
    (row("a", "page_view", 'cancel = [{ on = "purchase", before = true }]'), "before: whatever she did before"),
    (row("a", "page_view", 'follow_up = [{ wait = "1h", send = "usage-tips", after = "never" }]'), "after: sent or any, not 'never'"),
    (row("a", "page_view", 'choose = [{ when = "1 +", send = "usage-tips" }]'), "when: "),
    (row("a", "page_view", 'choose = [{ when = "true" }]'), "send is missing"),
    (timing('{ name = "a", share = 0.5 }, { name = "b", share = 0.4 }'), "shares of the arms add to 0.9, not to 1"),
    (timing('{ name = "a", share = 0.5 }, { name = "a", share = 0.5 }'), "two arms of one name"),
    (timing('{ name = "a", share = 1.0, control = true, wait = "1h" }'), "a control arm gets no message"),
    (timing(ARMS).replace('triggers = ["cart"]', 'triggers = ["basket"]'), "this pack has no trigger 'basket'"),
    (timing(ARMS).replace("arm = [", "factors = [").replace("factors = [", "factors = { x = ['a'] }\narm = ["), "either arm or factors"),
    (row("a", "page_view") + "[holdout]\nshare = 1.5\nwhy = 'x'\n", "share: a share from 0 to 1"),
    (row("a", "page_view") + row("a", "page_view"), "trigger 'a' a second time"),
]


@pytest.mark.parametrize(("rows", "said"), BAD)
def test_what_a_pack_may_not_say(rows: str, said: str) -> None:
    text = HEAD + rows
    found = [str(one) for one in Source(text, "p.toml").problems]
    assert any(said in one for one in found), found
    assert all(1 <= int(one.split(":")[1]) <= text.count("\n") for one in found), "with its line"


def test_a_pack_may_extend_another() -> None:
    base = HEAD + row("cart", "cart_add") + row("view", "product_view")
    mine = 'name = "mine"\nwhy = "x"\nextends = "base"\n' + row("cart", "cart_add", wait="5h")
    source = Source(mine, "mine.toml", {"base": base})
    assert not source.problems and source.name == "mine"
    assert [(one.name, one.steps[0].wait) for one in source.triggers] == [("cart", 5 * HOUR), ("view", 2 * HOUR)]
    (problem,) = Source(mine, "mine.toml").problems[:1]
    assert "extends: no pack 'base'" in str(problem)


def test_the_renderer_answers_with_the_message_that_it_made() -> None:
    her = Her(pack(VIEWED + OPENED))
    her.answers = ""
    her.event("product_view", 0, **SHOE)
    her.until(2 * HOUR)
    plan = her.plans[0]
    her.record(Rendered(her.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step, plan.message))
    assert her.group.history.originals.mails[0].message == "product-details"
