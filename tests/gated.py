"""Packs of a few plain triggers under whatever contact policy a test is about, and answers of a renderer that takes its time."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from app.domain.trigger import Pack
from app.events import NotRendered, Plan, Rendered
from app.policy.pack import build, compile_artifact
from tests.her import Her

HEAD = """\
name = "gated"
why  = "what is said of contacts, and some triggers"
event_types = ["quiz_done", "receipt", "poll"]
include = "guides"

[goes_by]
stage = "s0"
tier  = "s1"

[sender]
from = "a@shop.example"
name = "Shop"

[consent]
email       = "opt_in"
personalise = "opt_in"
"""
TRIGGERS = """\
[[trigger]]
name     = "cart"
why      = "two hours after the last change of a cart"
open     = { on = "cart_add" }
cancel   = [{ on = "purchase" }]
restart  = true
priority = 30
converts = 0.1
wait     = "2h"
send     = "cart-reminder"
follow_up = [{ wait = "24h", send = "cart-last-call" }]

[[trigger]]
name     = "view"
why      = "two hours after a look at a product"
open     = { on = "product_view", scope = "product" }
priority = 50
converts = 0.1
wait     = "2h"
send     = "product-details"

[[trigger]]
name     = "quiz"
why      = "at once, and shows more of her than others"
open     = { on = "quiz_done" }
depth    = 3
wait     = "0s"
send     = "usage-tips"

[[trigger]]
name     = "poll"
why      = "at once, and worth three days"
open     = { on = "poll" }
expires  = "3d"
priority = 50
depth    = 0
wait     = "0s"
send     = "usage-tips"

[[trigger]]
name          = "receipt"
why           = "what she asked for"
open          = { on = "receipt" }
transactional = true
wait          = "0s"
send          = "usage-tips"
"""
WEEK = '[[cap]]\nname = "week"\nwhy = "a test"\nmost = 2\nper = "7d"\n'
GAP = '[[cap]]\nname = "gap"\nwhy = "a test"\nmost = 1\nper = "16h"\n'
QUIET = '[quiet_hours]\nfrom = "21:00"\nto = "08:00"\n'
DROP = '[arbitration]\nlosers = "drop"\n'


@cache
def gated(contact: str, triggers: str = TRIGGERS, head: str = HEAD) -> Pack:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gated.toml"
        path.write_text(f"{head}\n{contact}\n{triggers}")
        return compile_artifact(*build(str(path)))


def late(contact: str, triggers: str = TRIGGERS) -> Her:
    """A person whose renderer answers only when the test does."""
    her = Her(gated(contact, triggers))
    her.answers = ""
    return her


def rendered(her: Her, plan: Plan) -> None:
    her.record(Rendered(her.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step, plan.message))


def refused(her: Her, plan: Plan, reason: str = "out_of_stock") -> None:
    her.record(NotRendered(her.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step, reason))


def held(her: Her) -> list[tuple[str, str | None, str]]:
    """(trigger, reason, until when) of every hold, in turn."""
    return [(one.trigger, one.reason, one.values["until"][5:19].replace("T", " ")) for one in her.decided if one.outcome == "held"]
