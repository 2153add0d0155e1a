"""A rehearsal: the occasion is played to the person as she stands, time runs on to the message, and nothing is published.

The same programs as ever, over memory. Where something stops the message, the same is played again without what can stop it, so that the
message can be seen all the same; and what kept a window from opening is found by taking one thing away at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app import events
from app.agents.kinds import encode_budgets
from app.agents.simulator import simulation
from app.domain import bounces, gate, news
from app.domain.budgets import BUDGETS, Budgets
from app.domain.catalogue import Families, Items
from app.domain.decision import ENDS
from app.domain.occasion import Occasion
from app.domain.offers import BUDGET
from app.domain.originals import Originals
from app.domain.person import Group, See
from app.domain.recommended import RECOMMENDATIONS
from app.domain.scope import SEND
from app.domain.sensitive import Sensitive
from app.domain.trigger import Condition, Pack, Trigger
from app.domain.window import Windows
from app.edges.spectator import decode_decision, decode_send
from app.engine.artifacts import POPULATION
from app.engine.program import Output
from app.engine.simulation import SECOND
from app.events import Broadcast, Decision, Send
from app.flow import DAY_MS
from app.settings import Settings

LONGEST_MS = 800 * DAY_MS
"""Virtual time after the entry in which the message must be decided; the longest wait of a pack is shorter."""
NO_SECRET = "preview"
"""Signs the links of a previewed message: they look like the real ones, and no gateway takes them."""
FOREVER = 100 * 366 * DAY_MS
PLENTY = 10**15
"""Units of money that no offer uses up."""


class Stage(Struct, frozen=True):
    """Where it is played: the person, her pack by ref, the time (ms) as of which she stands and that of the entry."""

    settings: Settings
    group: Group
    packs: Callable[[str], Pack]
    ref: str
    now: int
    at: int
    assume: frozenset[str] = frozenset()
    items: Items | None = None
    families: Families | None = None
    figures: str | None = None
    """Ref of the figures of everybody that she is ranked by."""
    model: str | None = None
    """Ref of what recommends."""
    budgets: Budgets | None = None
    """What campaigns have left where her messages are written, as of one partition."""

    @property
    def pack(self) -> Pack:
        return self.packs(self.ref)

    def holds(self, condition: Condition, properties: dict[str, Any]) -> bool:
        """Whether an opening's condition holds for an event of these properties."""
        return condition.evaluate(gate.gather(condition, properties, self._see())).holds

    def concerns(self, one: Broadcast) -> dict[str, Any] | None:
        """What news are to the person, or None."""
        about = news.subject(one, self._see())
        return None if about is None else about.properties

    def _see(self) -> See:
        population: Any = None if self.figures is None else self.packs(self.figures)
        return See(self.group, self.at, self.at, SECOND, self.pack, self.packs, self.assume, population)


class Played(Struct):
    """What came of it. `window_id`: that the entry opened or (`joined`) that it joined; `decision`: what ended the wanted step."""

    window_id: str | None = None
    joined: bool = False
    opened: Decision | None = None
    decisions: list[Decision] = []
    """All of that window."""
    decision: Decision | None = None
    send: Send | None = None
    entries: int = 0
    """Records of the occasion that it took."""


class Rehearsal(Struct):
    """`played`: as it would be. `unopened`: why no window opened. `send`: the message, `forced` where something would have stopped it.

    `missing`: the reason why there is none even so.
    """

    played: Played
    unopened: str | None = None
    send: Send | None = None
    forced: bool = False
    missing: str | None = None


def rehearse(stage: Stage, trigger: Trigger, occasion: Occasion, step: int) -> Rehearsal:
    """Plays the occasion, up to the end of the trigger's message `step`."""
    # Links that work have no place in a look at a message: whoever clicked one would unsubscribe somebody.
    stage = replace(stage, settings=replace(stage.settings, secret=NO_SECRET))
    played = _play(stage, trigger.name, occasion, step)
    unopened = _unopened(stage, trigger, occasion) if played.window_id is None else None
    if played.send is not None:
        return Rehearsal(played, unopened, played.send)
    freed = _freed(stage, trigger)
    forced = _play(freed, trigger.name, occasion, step)
    if forced.decision is not None and forced.decision.reason == BUDGET:
        forced = _play(_rich(freed, trigger), trigger.name, occasion, step)
    if forced.send is not None:
        return Rehearsal(played, unopened, forced.send, True)
    return Rehearsal(played, unopened, missing=None if forced.decision is None else forced.decision.reason)


def campaigns(trigger: Trigger) -> list[str]:
    """Those that pay for what its messages may offer."""
    told = [offer for one in trigger.steps for offer in (one.offer, *(choice.offer for choice in one.choices)) if offer is not None]
    return list(dict.fromkeys(one.campaign for one in told if one.campaign))


def _play(stage: Stage, trigger: str, occasion: Occasion, step: int) -> Played:
    """What comes of it. Of an opening that takes several events only the last ones that she has not made herself are played."""
    records = occasion.records
    for count in range(1 if occasion.counts else len(records), len(records) + 1):
        found = _once_played(stage, trigger, replace(occasion, records=records[-count:]), step)
        if found.window_id is not None:
            break
    return found


def _once_played(stage: Stage, trigger: str, occasion: Occasion, step: int) -> Played:
    made: list[Decision] = []
    sends: dict[str, Send] = {}

    def on_output(topic: str, output: Output) -> None:
        if topic == "decisions":
            made.append(decode_decision(output.value))
        elif topic == "message_sends":
            send = decode_send(output.value)
            sends[send.send_id] = send

    play = simulation(stage.packs, stage.settings, on_output, stage.assume, stage.items, budgets=stage.budgets, families=stage.families)
    key = stage.group.person.person_id.encode()
    play.adopt(stage.now, key, stage.group)
    play.activate(stage.now, stage.ref)
    if stage.figures is not None:
        play.activate(stage.now, stage.figures, POPULATION)
    if stage.model is not None:
        play.activate(stage.now, stage.model, RECOMMENDATIONS)
    if stage.budgets is not None:
        play.activate(stage.now, encode_budgets(stage.budgets)[0], BUDGETS)
    play.run_until(stage.at)
    before = {one.window_id: one for one in _windows(play, trigger)}
    found = Played()
    for record in occasion.records:
        play.append(key, events.encode(record))
        found.entries += 1
        found.opened = found.opened or _opened(made, trigger, occasion)
    if found.opened is not None:
        found.window_id = found.opened.window_id
    else:
        joined = [one for one in _windows(play, trigger) if one.window_id in before and one != before[one.window_id]]
        if not joined:
            return found
        found.window_id, found.joined = joined[0].window_id, True
        step = max(step, joined[0].step)
    while (ended := _ended(made, found.window_id, step)) is None:
        due = play.next_due()
        if due is None or due > stage.at + LONGEST_MS:
            break
        play.run_until(-(-max(due, play.now + 1) // SECOND) * SECOND)
    found.decisions = [one for one in made if one.window_id == found.window_id]
    found.decision = ended
    found.send = None if ended is None else sends.get(ended.send_id or "")
    return found


def _opened(made: list[Decision], trigger: str, occasion: Occasion) -> Decision | None:
    mine = [one for one in made if (one.trigger, one.outcome) == (trigger, "opened")]
    return next((one for one in mine if one.cause and one.cause[0] in occasion.causes), None)


def _windows(play: Any, trigger: str) -> list[Any]:
    return [one for group in play.groups() for one in group.person.windows.open if one.trigger == trigger]


def _ended(made: list[Decision], window_id: str, step: int) -> Decision | None:
    return next((one for one in made if (one.window_id, one.step) == (window_id, step) and one.outcome in ENDS), None)


def _unopened(stage: Stage, trigger: Trigger, occasion: Occasion) -> str:
    """What kept the window from opening: the first thing without which it would have."""
    when = trigger.opening.when
    condition = f"the opening's condition does not hold: {when.text}" if when is not None else ""
    for why, freed in (
        (condition, _row(stage, replace(trigger, opening=replace(trigger.opening, when=None)))),
        ("the person has had it: " + _spent(trigger), _unspent(stage)),
        (f"it takes {trigger.opening.count} such events", _row(stage, replace(trigger, opening=_once(trigger)))),
        ("what it is about tells something that nobody may infer ([sensitive])", _indiscreet(stage)),
        ("the person's behaviour may not be kept, or is no person's", _allowed(stage, trigger)),
    ):
        if why and _play(freed, trigger.name, occasion, 0).window_id is not None:
            return why
    return "several things at once; none of them alone would let it open"


def _indiscreet(stage: Stage) -> Stage:
    """The stage with a pack that keeps no list of what must not be inferred."""
    pack, earlier = replace(stage.pack, sensitive=Sensitive()), stage.packs
    return replace(stage, packs=lambda ref: pack if ref == stage.ref else earlier(ref))


def _spent(trigger: Trigger) -> str:
    if trigger.once:
        return "once ever"
    if trigger.opening.scope == SEND:
        return "once per mail"
    return f"not again for {trigger.again / DAY_MS:g} d" if trigger.again else "already"


def _unspent(stage: Stage) -> Stage:
    """The stage as if the person had had no window of anything yet."""
    mails = tuple(replace(one, opened=(), final=False) for one in stage.group.history.originals.mails)
    group = stage.group.replaced(replace(stage.group.person, windows=Windows()), {"originals": Originals(mails)})
    return replace(stage, group=group)


def _once(trigger: Trigger) -> Any:
    return replace(trigger.opening, count=1, days=1, within=0)


def _freed(stage: Stage, trigger: Trigger) -> Stage:
    """The stage without all that can stop the message, short of what it is made of: address and content."""
    row = replace(
        trigger,
        opening=replace(_once(trigger), when=None),
        cancels=(),
        steps=tuple(replace(one, when=None) for one in trigger.steps),
        needs=(),
        once=False,
        again=0,
        delivery=False,
        late=FOREVER,
        group=None,
        transactional=True,
        stock=False,
    )
    return _person(_unspent(_allowed(_row(stage, row), trigger)), faults=(), merging=None)


def _rich(stage: Stage, trigger: Trigger) -> Stage:
    """The stage with campaigns that have as much as it takes, and no limit of hers."""
    earlier, pack = stage.packs, replace(stage.pack, offers=replace(stage.pack.offers, budget_per_person=0))
    budgets = Budgets(1, pack.offers.currency, dict.fromkeys(campaigns(trigger), PLENTY))
    return replace(stage, packs=lambda ref: pack if ref == stage.ref else earlier(ref), budgets=budgets)


def _allowed(stage: Stage, trigger: Trigger) -> Stage:
    her = stage.group.person.profile
    consent = {**her.consent, "track": True, **dict.fromkeys((*trigger.needs, *trigger.channels), True)}
    return _person(
        stage, profile=replace(her, bot=False, unsubscribed=False, suppressed=None, closed=(), bounces=bounces.NONE, consent=consent)
    )


def _person(stage: Stage, **parts: Any) -> Stage:
    return replace(stage, group=stage.group.replaced(replace(stage.group.person, **parts), {}))


def _row(stage: Stage, row: Trigger) -> Stage:
    """The stage with a pack in which this row alone opens anything, without hold-out and experiments."""
    pack = stage.pack
    opens = {kind: (row,) for kind in (*row.opening.on, *row.opening.joins)}
    cancels = {kind: (row,) for rule in row.cancels for kind in rule.on}
    rows = {**pack.by_name, row.name: row}  # what is open of the others goes on
    shown = {name: replace(one, approved=True) for name, one in pack.messages.items()}
    alone = replace(pack, by_name=rows, opens=opens, cancels=cancels, groups={}, experiments={}, holdout=0.0, messages=shown)
    earlier = stage.packs
    return replace(stage, packs=lambda ref: alone if ref == stage.ref else earlier(ref))
