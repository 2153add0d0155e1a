"""Signals of every channel, requests to support, wishes and answers (A-010, A-023–A-026, A-029, A-048, A-075, A-274)."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import answers, channels, merged_profile, signals, telling
from app.domain.event_types import EVENT_TYPES
from app.domain.person import Group, Meeting, Person, See
from app.domain.person_row import History
from app.domain.profile import Profile, step
from app.domain.signals import MAX_KINDS, SIGNALS
from app.events import Event, Moved
from tests.person_story import Her

START = 1_772_409_600_000
HOUR, DAY = 3_600_000, 86_400_000
NUMBER = itertools.count()


def event(kind: str, at: int, /, **properties: Any) -> Event:
    return Event(START, f"e{next(NUMBER)}", kind, START + at, "p", "c", properties=properties)


def see(part: Profile) -> See:
    return See(Group(Person("p", profile=part)), START, 0, 1_000, None, lambda ref: None)


def story(*events: Event) -> Profile:
    part = Profile()
    for one in events:
        part, _ = step(part, one, see(part))
    return part


ELSEWHERE = {
    *("product_view", "cart_add", "page_leave", "purchase", "store_purchase"),  # interest, recent products, visits, orders
    *("email_sent", "email_delivered", "email_open", "email_click", "email_complaint", "email_unsubscribe"),
    *("identify", "alias", "profile_update", "consent_give", "consent_withdraw", "erase_request"),
}


def test_every_event_type_is_counted_somewhere() -> None:
    # "Every signal group has its events, fields"
    assert set(SIGNALS) | ELSEWHERE == set(EVENT_TYPES) and not set(SIGNALS) & ELSEWHERE
    for name in SIGNALS:
        properties = {"page_type": "faq"} if name == "page_view" else EVENT_TYPES[name].example
        part = story(event(name, 0, **properties), event(name, HOUR, **properties), event(name, 1, **properties))
        assert (signals.count(part.signals, name), signals.last(part.signals, name)) == (3, START + HOUR), name


def test_social_by_network() -> None:
    # Instagram story engagement, Facebook ad interaction, TikTok video completion rate, LinkedIn sharing
    part = story(
        event("social_engagement", 0, network="Instagram", action="story"),
        event("social_engagement", 1, network="instagram", action="story"),
        event("social_engagement", 2, network="linkedin", action="share"),
        event("social_engagement", 3),
        event("ad_click", 4, network="facebook", campaign="Spring"),
        *(event("ad_view", 5 + n, network="tiktok") for n in range(4)),
        event("ad_video_complete", 9, network="tiktok"),
    )
    told = part.signals
    assert signals.count(told, *signals.SOCIAL) == 4
    assert signals.networks(told, *signals.SOCIAL) == {"instagram": {"social_engagement": 2}, "linkedin": {"social_engagement": 1}}
    assert signals.kinds(told, "social_engagement") == {"instagram": 2, "instagram/story": 2, "linkedin": 1, "linkedin/share": 1}
    assert signals.networks(told, *signals.ADS) == {"facebook": {"ad_click": 1}, "tiktok": {"ad_view": 4, "ad_video_complete": 1}}
    assert signals.kinds(told, "ad_click") == {"facebook": 1, "facebook/spring": 1}
    assert signals.completion(told, "tiktok") == 0.25 and signals.completion(told, "facebook") is None


def test_support_in_four_ways() -> None:
    # ticket submission, chatbot quality, phone call frequency, FAQ engagement
    part = story(
        event("support_ticket", 0, ticket_id="t1", status="open"),
        event("support_ticket", DAY, ticket_id="t2"),
        event("support_ticket", 2 * DAY, status="open"),
        event("support_chat", 0, quality=4),
        event("support_chat", 0, quality=2.5),
        event("support_chat", 0, quality="Good"),
        event("support_call", 0, seconds=30),
        event("page_view", 0, page_type="faq"),
        event("page_view", 0, page_type="home"),
    )
    assert signals.count(part.signals, *signals.SUPPORT) == 7
    assert signals.kinds(part.signals, "page_view") == {"faq": 1}
    assert signals.kinds(part.signals, "support_chat") == {"4": 1, "2.5": 1, "good": 1}
    assert channels.chat_quality(part.contacts) == 3.25 and channels.chat_quality(Profile().contacts) is None
    assert (channels.tickets_open(part.contacts), channels.oldest_ticket(part.contacts)) == (2, START), "without an id it is counted alone"


def test_a_ticket_is_open_until_somebody_says_it_is_solved() -> None:
    for word in ("closed", "Solved", "resolved"):
        part = story(event("support_ticket", 0, ticket_id="t"), event("support_ticket", DAY, ticket_id="t", status=word))
        assert (channels.tickets_open(part.contacts), channels.oldest_ticket(part.contacts)) == (0, 0)
    again = story(event("support_ticket", DAY, ticket_id="t", status="closed"), event("support_ticket", 0, ticket_id="t", status="open"))
    assert channels.tickets_open(again.contacts) == 0, "told late"
    again = story(*(event("support_ticket", n * DAY, ticket_id="t", status=word) for n, word in enumerate(("open", "closed", "pending"))))
    assert channels.oldest_ticket(again.contacts) == START, "it was never really solved"
    many = story(*(event("support_ticket", n, ticket_id=f"t{n}", status="open" if n % 2 else "closed") for n in range(60)))
    assert len(many.contacts.tickets) == channels.tickets_open(many.contacts) == channels.MAX_TICKETS, "the solved ones give way first"


def test_stores_referrals_downloads_messages() -> None:
    # SMS and in-store channels; A-012: downloads; loyalty: referrals; A-020: forwarding
    part = story(
        event("store_visit", 0, store_id="berlin-1"),
        event("referral", 0, network="whatsapp"),
        event("content_download", 0, content_type="pdf"),
        event("sms_sent", 0),
        event("sms_click", 0),
        event("push_open", 0),
        event("email_forward", 0, network="facebook"),
    )
    counts = {name: signal.count for name, signal in part.signals.items()}
    assert counts == dict.fromkeys(
        ("store_visit", "referral", "content_download", "sms_sent", "sms_click", "push_open", "email_forward"), 1
    )
    assert signals.kinds(part.signals, "store_visit", "referral", "email_forward") == {"berlin-1": 1, "facebook": 1, "whatsapp": 1}


def test_a_parcel_is_under_way_until_it_arrives() -> None:
    # delivery tracking
    shipped = event("order_shipped", 0, order_id="o1")
    assert signals.under_way(story(shipped).signals)
    assert not signals.under_way(story(shipped, event("order_delivered", DAY, order_id="o1")).signals)


def test_the_wish_list_as_it_is_now() -> None:
    part = story(
        event("wishlist_add", 0, product_id="p1"),
        event("wishlist_add", 1, product_id="p2"),
        event("wishlist_add", 1, product_id="p2"),
        event("wishlist_remove", 2, product_id="p1"),
        event("wishlist_add", 3, category="shoes"),
    )
    assert channels.wishes(part.contacts) == 1
    late = story(event("wishlist_remove", 2, product_id="p1"), event("wishlist_add", 0, product_id="p1"))
    assert channels.wishes(late.contacts) == 0
    many = story(*(event("wishlist_add", n, product_id=f"p{n}") for n in range(99)))
    assert channels.wishes(many.contacts) == channels.MAX_WISHES


def test_kinds_are_bounded_and_the_rarest_give_way() -> None:
    part = story(*(event("search", n, query=f"q{n}") for n in range(50)), *(event("search", 99, query=" Trail  SHOES ") for _ in range(3)))
    assert signals.count(part.signals, "search") == 53
    assert len(signals.kinds(part.signals, "search")) == MAX_KINDS and signals.kinds(part.signals, "search")["trail shoes"] == 3
    odd = story(event("search", 0, query="${term}"), event("search", 0, query=None), event("review_write", 0, rating=5.0))
    assert (signals.kinds(odd.signals, "search"), signals.kinds(odd.signals, "review_write")) == ({}, {"5": 1})


def test_once_track_is_withdrawn_only_what_is_done_for_her_is_kept() -> None:
    part = story(
        event("consent_withdraw", 0, purposes=["track"]),
        event("search", 1, query="shoes"),
        event("ad_click", 1, network="meta"),
        event("wishlist_add", 1, product_id="p1"),
        event("support_ticket", 1, ticket_id="t1"),
        event("order_shipped", 1, order_id="o1"),
    )
    assert set(part.signals) == {"support_ticket", "order_shipped"}
    assert (channels.wishes(part.contacts), channels.tickets_open(part.contacts)) == (0, 1)


def test_answers_and_preferences_are_her_latest_word() -> None:
    #
    part = story(
        event("survey_answer", 5, survey_id="s", question="size", answer=42),
        event("survey_answer", 1, survey_id="s", question="size", answer=38),
        event("survey_answer", 1, survey_id="nps", answer=9),
        event("preference_set", 1, preference="frequency", value="weekly"),
        event("preference_set", 2, preference="topics", value=["shoes", "hats"]),
        event("preference_set", 2, preference="odd", value="x" * 999),
        event("preference_set", 2, value="of what?"),
        event("survey_answer", 2, question="size", answer=None),
        event("survey_answer", 2, question="huge", answer=2**70),
    )
    assert answers.view(part.answers.surveys) == {"nps": 9, "size": 42}
    assert answers.view(part.answers.preferences) == {"frequency": "weekly", "topics": ["shoes", "hats"]}
    many = story(*(event("survey_answer", n, question=f"q{n}", answer=n) for n in range(99)))
    assert list(many.answers.surveys) == [f"q{n}" for n in range(69, 99)]


def test_a_profile_is_completed_bit_by_bit() -> None:
    # progressive profiling
    part = story()
    assert telling.missing(part) == ("email", "first_name")
    asked = ("email", "first_name", "size", "frequency")
    events = [
        event("identify", 0, traits={"email": "ann@shop.example", "firstName": "Ann"}),
        event("survey_answer", 1, question="size", answer=0),
        event("preference_set", 2, preference="frequency", value="weekly"),
    ]
    left = [telling.missing(story(*events[:n]), asked) for n in range(1, 4)]
    assert left == [("size", "frequency"), ("frequency",), ()]
    assert telling.missing(story(event("identify", 0, traits={"email": "no address", "first_name": ""}))) == ("email", "first_name")


def test_orders_of_what_she_never_looked_at() -> None:
    # purchases checked against browsing
    shoe, hat = {"product_id": "p1", "item_group_id": "g1"}, {"product_id": "p2"}
    her = Her()
    her.does("product_view", 0, **shoe)
    her.does("purchase", DAY, order_id="o1", products=[{"product_id": "p1-42", "item_group_id": "g1"}, hat], total=10)
    assert her.person.profile.contacts.unseen_orders == 0
    her.does("purchase", DAY, order_id="o2", **hat)
    her.does("purchase", DAY, order_id="o2", product_id="p3")
    assert her.person.profile.contacts.unseen_orders == 1, "an order, not its lines"
    her.does("store_purchase", DAY, order_id="o4", **hat)
    her.does("purchase", DAY, order_id="o5", total=5)
    assert her.person.profile.contacts.unseen_orders == 1, "nobody looks in a shop window on the site; nobody knows what o5 was"
    her.does("purchase", 95 * DAY, order_id="o3", **shoe)
    assert her.person.profile.contacts.unseen_orders == 2, "more than 90 days after she looked"


# --- whatever the order, and of two people -------------------------------------------------------------------------------------

things = st.one_of(
    st.tuples(
        st.sampled_from(("search", "content_view")),
        st.fixed_dictionaries({"query": st.sampled_from("abc"), "content_type": st.just("pdf")}),
    ),
    st.tuples(
        st.sampled_from(("ad_view", "social_engagement")),
        st.fixed_dictionaries({"network": st.sampled_from("xy"), "campaign": st.just("z")}),
    ),
    st.tuples(
        st.just("support_ticket"),
        st.fixed_dictionaries({"ticket_id": st.sampled_from("tu"), "status": st.sampled_from(("open", "closed"))}),
    ),
    st.tuples(st.just("support_chat"), st.fixed_dictionaries({"quality": st.sampled_from((1, 2.5, "good"))})),
    st.tuples(st.sampled_from(("wishlist_add", "wishlist_remove")), st.fixed_dictionaries({"product_id": st.sampled_from("pq")})),
    st.tuples(st.just("survey_answer"), st.fixed_dictionaries({"question": st.just("q"), "answer": st.sampled_from((1, 2, "x"))})),
    st.tuples(st.just("preference_set"), st.fixed_dictionaries({"preference": st.sampled_from("ab"), "value": st.booleans()})),
    st.tuples(
        st.just("page_view"),
        st.fixed_dictionaries(
            {"page_type": st.just("faq"), "locale": st.sampled_from(("de", "en-GB")), "country": st.sampled_from(("DE", "US"))}
        ),
    ),
)
stories = st.lists(st.tuples(things, st.sampled_from((0, 1_000, HOUR, DAY))), max_size=12)


def told(listed: list[Any]) -> list[Event]:
    return [event(kind, at, **properties) for (kind, properties), at in listed]


def seen(part: Profile) -> Any:
    return part.signals, part.device, part.contacts, part.answers


@settings(max_examples=200, deadline=None)
@given(stories, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(listed: list[Any], random: Any) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)
    assert seen(story(*told(listed))) == seen(story(*told(shuffled)))


@settings(max_examples=200, deadline=None)
@given(stories, st.integers(0, 2**12))
def test_two_people_as_one_are_as_if_they_had_always_been(listed: list[Any], whose: int) -> None:
    events = told(listed)
    mine = story(*(one for n, one in enumerate(events) if whose >> n & 1))
    theirs = story(*(one for n, one in enumerate(events) if not whose >> n & 1))
    meeting = Meeting(History(), History(), Moved(START, "p", "q", b"", "cause", (), ("q",)))
    both, _ = merged_profile.merge(mine, theirs, meeting, see(mine))
    assert seen(both) == seen(story(*events))
