"""Reasons of decisions in words, and the gate each stands for: `interface.md` section 4 names them, people read this."""

from __future__ import annotations

from msgspec import Struct


class Reason(Struct, frozen=True):
    """`gate`: what stopped it, in a word or two; `words`: what that means to somebody who never saw the code."""

    gate: str
    words: str


REASONS: dict[str, Reason] = {
    "merging": Reason("identity", "two of the person's profiles are just being joined; nothing goes out until that is done"),
    "merged": Reason("identity", "the profile became part of another one"),
    "fault": Reason("fault", "a record of this person could not be applied (it is in dead_letters); nothing goes out on half a history"),
    "bot": Reason("bot", "more events an hour than a person can make"),
    "late_event": Reason("lateness", "the time for it had passed when it could first have gone out"),
    "no_consent": Reason("consent", "the person has not said yes to everything this message needs"),
    "unsubscribed": Reason("consent", "the person has unsubscribed"),
    "suppressed": Reason(
        "suppression", "the address takes no mail (it bounced, or there was a complaint), or got this for another profile"
    ),
    "no_address": Reason("address", "no usable address is known"),
    "condition_false": Reason("condition", "the pack's condition for this message did not hold, or what it is about is nobody's business"),
    "quiet_hours": Reason("quiet hours", "it was night, or a holiday, where the person lives"),
    "send_time": Reason("send time", "it waited for the person's best hour"),
    "frequency_cap": Reason("cap", "the person has had as many messages as the pack allows"),
    "lost_to_trigger": Reason("cap", "another message, more important by the pack, took the place"),
    "suppression_group": Reason("group", "another message of the same group holds the place until its window ends"),
    "holdout": Reason("hold-out", "the person is in the group that gets nothing, so that what messages are worth can be told"),
    "control_arm": Reason("experiment", "the person is in the arm of an experiment that gets nothing; this is what would have gone out"),
    "expired": Reason("expiry", "it was no longer worth sending when it could have gone out"),
    "cancelled_by_event": Reason("cancel", "something the person did made it pointless"),
    "window_limit": Reason("limit", "too many windows were open for this person"),
    "missing_content": Reason("content", "the template names something that is not known of this person or product"),
    "out_of_stock": Reason("stock", "the product is not available"),
    "price_changed": Reason("price", "it costs more again than what opened this, and the message would promise what is over"),
    "not_approved": Reason("approval", "the message has not been approved"),
    "budget": Reason("budget", "the offers' budget is spent"),
    "erased": Reason("erasure", "the person asked to be forgotten"),
}


def words(reason: str) -> str:
    """`reason – what it means`; a reason that this table lacks speaks for itself."""
    known = REASONS.get(reason)
    return reason if known is None else f"{reason} – {known.words}"


def gate(reason: str) -> str:
    """The gate that stopped it."""
    known = REASONS.get(reason)
    return reason.replace("_", " ") if known is None else known.gate
