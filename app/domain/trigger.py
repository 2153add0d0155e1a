"""A policy pack as the lane runs it: compiled once, never stored, the same in every worker that has the artifact.

`app.policy.pack` builds it from TOML. Durations are ms.
"""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from app.domain.brand import Brand
from app.domain.condition import Condition as Condition
from app.domain.condition import Facts as Facts
from app.domain.condition import Verdict as Verdict
from app.domain.contact_policy import ContactPolicy
from app.domain.days import DAY_MS
from app.domain.lifecycle import StageScheme
from app.domain.message import MessageSource
from app.domain.offers import NOBODYS, Offer, Offering
from app.domain.recommendation import Recommendations
from app.domain.scope import Subject
from app.domain.scoring import Scoring
from app.domain.segments import BandScheme, Predicate, Segment, Verdicts
from app.domain.sensitive import Sensitive
from app.domain.tiers import TierScheme
from app.domain.treatments import By, Treatment
from app.domain.watching import Watching

NOTHING_LISTED = Sensitive()


class Variant(Struct, frozen=True):
    """Another way to put a factor of a message: `subject`, `image` or `cta` (app/domain/creative.py)."""

    name: str
    message: str
    factor: str
    text: str
    """Of a subject a template; of a picture or button what `creative` tells the template."""
    when: Condition | None = None
    """Who may get it; None: everybody."""


class Opening(Struct, frozen=True):
    """What opens a window. `on`: event types or conclusion kinds. `scope`: person, product, order_id, send_id."""

    on: tuple[str, ...]
    scope: str
    when: Condition | None = None
    needs_dwell: bool = False
    """The condition reads `event.dwell_seconds`: a view that does not carry it waits until somebody tells it."""
    joins: tuple[str, ...] = ()
    """Conclusion kinds that join an open window of the scope but never open one (a later line of an order)."""
    count: int = 1
    """The how-manieth such event of the scope opens it: the second visit to a pricing page, the third view of a product."""
    within: int = 0
    """All of them within so many ms; 0: no limit but what is remembered."""
    days: int = 1
    """On at least so many different days (UTC)."""


class Cancel(Struct, frozen=True):
    """What cancels an open window: `on` as in `Opening`; `when` may look at `event`, and at `window` as it stands after that event.

    A conclusion about where she stands cancels only if what opened the window is true no more: leaving that segment, stage, tier, level.
    """

    on: tuple[str, ...]
    scope: str
    when: Condition | None = None
    before: bool = False
    """One that happened before the opening counts, too: a click stays a click, though the open is told later."""


class Choice(Struct, frozen=True):
    """One leaf of a step's decision tree: the message where `when` holds. A row of a decision table is one, too (A-190)."""

    when: Condition
    message: str
    offer: Offer | None = None
    """What its message offers."""


class Step(Struct, frozen=True):
    """A message of the chain: `wait` ms after the opening (step 0) or after the due_at of the step before."""

    wait: int
    message: str
    """Where none of `choices` holds."""
    when: Condition | None = None
    after: str = "sent"
    """`sent`: only if the step before was sent, else it ends as that did; `any`: however that ended, short of a cancel."""
    choices: tuple[Choice, ...] = ()
    """Asked in order when the step is due; the first that holds names the message, and its offer."""
    offer: Offer | None = None
    """What the message offers, where none of `choices` holds."""


class Goal(Struct, frozen=True):
    """What the messages of a trigger are for: the first event of `on` within so many ms after one of them, of whatever scope."""

    on: tuple[str, ...]
    within: int


class Programme(Struct, frozen=True):
    """The last step of a chain again and again, each `every` ms after the one before, while its `when` holds.

    `times`: messages it makes in all; 0: no end.
    """

    every: int
    """0: as the treatment of the stage says that opened the window (A-072)."""
    times: int = 0


class Trigger(Struct, frozen=True, dict=True):
    """One row of a pack. `why` is its source, in words. What follows from its fields is found once (`dict`: where that is kept)."""

    name: str
    why: str
    opening: Opening
    cancels: tuple[Cancel, ...]
    steps: tuple[Step, ...]
    needs: tuple[str, ...]
    """Consent purposes its messages need."""
    priority: int
    """Of steps due together the lower goes first."""
    restart: bool
    """A joining event restarts the wait of the first step."""
    once: bool
    """At most one window per person, ever."""
    again: int
    """No new window of the same scope for so long after its last sent step; 0: at once."""
    late: int
    """A fire more than this after its due_at ends not_sent `late_event`."""
    expires: int
    """How long after due (or its first possible fire) a message is still worth delivering."""
    idle: bool = False
    """Anything she does on the site or in the shop restarts the wait of the first step: it closes when she has fallen silent."""
    group: str | None = None
    """Suppression group: who has a message of one window of it gets none of another before that window has ended."""
    goal: Goal | None = None
    programme: Programme | None = None
    delivery: bool = False
    """Of an order's window: its first wait counts from the delivery."""
    opens: str = "all"
    """Which opens and clicks open it, cancel it and reach its goal: `all`, or `human`, those that no machine made (X-26)."""
    transactional: bool = False
    """About something she asked for or bought: exempt from quiet hours, send time, caps and suppression groups."""
    converts: float = 0.0
    """Share of its messages that end in an order: what a message is worth when several compete for one place."""
    depth: int = 1
    """How much its messages show that she is known, 0–3 (A-261)."""

    channels: tuple[str, ...] = ("email",)
    """How its messages may go out, in the pack's order of preference; what she prefers herself goes first."""
    best_hour: int = 0
    """A message may wait so long for the hour of the week at which she is likeliest to take it up; 0: it goes when it is due."""
    until: str | None = None
    """An instant that the opening tells, such as `event.reorder_at`: the first message waits until then, and at least its `wait`; without
    one nothing opens."""
    before: int = 0
    """Its first message goes out so long before the instant of `until`."""
    group_when: Condition | None = None
    """Over the opening's `event`: only windows of which it holds are in the group."""
    treated_wait: bool = False
    """Its first wait is the interval that the treatment of the stage says that opened it."""
    stock: bool = False
    """Its messages are about products that must be there: looked at again as they are written (A-169)."""
    takes_over: tuple[str, ...] = ()
    """Triggers of its group that keep it from speaking no longer than until they have been written: with its own message they end."""

    @cached_property
    def treated(self) -> bool:
        """Whether it goes by how people of the stage are treated that opened it; of one without an interval nothing opens."""
        return self.treated_wait or (self.programme is not None and not self.programme.every)

    @cached_property
    def ends(self) -> dict[str, tuple[Cancel, ...]]:
        """Event type or conclusion kind → those of its cancels that name it."""
        kinds = dict.fromkeys([kind for rule in self.cancels for kind in rule.on])
        return {kind: tuple([rule for rule in self.cancels if kind in rule.on]) for kind in kinds}

    @cached_property
    def looks_past(self) -> bool:
        """Whether something counts for its windows that happened before they opened."""
        return self.delivery or any([rule.before for rule in self.cancels])

    def hears(self, subject: Subject) -> bool:
        """Whether what was done counts for it."""
        return self.opens == "all" or not subject.machine


class Group(Struct, frozen=True):
    """A suppression group and what it protects: the person, or person and product (X-11)."""

    name: str
    scope: str


class Arm(Struct, frozen=True):
    """An arm of an experiment: its share of the people, and what is different for them."""

    name: str
    weight: float
    control: bool = False
    """Gets nothing: each message it would have got is recorded instead (`control_arm`)."""
    wait: int | None = None
    """Of the first step, in ms."""
    message: str | None = None
    """Of the first step."""
    when: Condition | None = None
    """Asked at the opening: who is in the arm and does not fulfil it gets nothing, each message recorded (`condition_false`; A-209)."""
    factors: tuple[tuple[str, str], ...] = ()
    """Of a factor grid: (factor, level) each (X-22)."""


class Experiment(Struct, frozen=True):
    """Arms that people are put into at the opening of a window, for good: by a keyed hash of person and experiment (A-205, A-206)."""

    name: str
    triggers: tuple[str, ...]
    arms: tuple[Arm, ...]


class ChurnLevel(Struct, frozen=True):
    """A level of churn: reached when the probability is above `threshold` (X-01)."""

    name: str
    threshold: float
    horizon_days: int
    """Days that the level is told with, as `churn.horizon_days` of a profile. The probability has no horizon: they do not change it."""
    falls: float | None = None
    """It is left when the probability is no longer above this; None: the threshold itself. What lies between moves nobody twice."""
    cool_down: int = 0
    """Once reached it is not reached again before so long has passed, though she may be above it again (A.25, fault 5)."""

    @property
    def floor(self) -> float:
        """The probability above which it is kept."""
        return self.threshold if self.falls is None else self.falls


class Sender(Struct, frozen=True):
    """Whom mails come from: `email` is the From address, `name` its display name; `reply_to` None: the same."""

    email: str
    name: str
    reply_to: str | None = None


class Pack(Struct, frozen=True, dict=True):
    """A compiled policy pack. `ref` is `name@version`, `version` the artifact's hash. `dict`: as of `Trigger`."""

    name: str
    version: str
    ref: str
    triggers: tuple[Trigger, ...]
    sender: Sender
    consent: dict[str, str]
    """Purpose → `opt_in` (absence means no) or `opt_out` (absence means yes)."""
    messages: dict[str, MessageSource]
    churn_levels: tuple[ChurnLevel, ...]
    """Highest threshold first."""
    groups: dict[str, Group]
    experiments: dict[str, tuple[Experiment, ...]]
    """Trigger → experiments that are switched on for it."""
    holdout: float
    """Share of people who get no behaviour-triggered message at all, so that what the messages are worth can be told."""
    stage_schemes: dict[str, StageScheme]
    """Ladders of stages; a person is in one stage of each."""
    tier_schemes: dict[str, TierScheme]
    """Shares of the customers by what they are worth; a customer is in one tier of each."""
    band_schemes: dict[str, BandScheme]
    """Bands of a score, each a segment."""
    segments: dict[str, Segment]
    """Named groups of people; one may ask for those above it."""
    flags: dict[str, Predicate]
    """Flag → who has it, shown as `profile.flags`; stages, segments and templates ask for it by name."""
    treatments: dict[str, Treatment]
    """How people of a stage or tier are written to."""
    goes_by: By
    """Which of its schemes the policy goes by."""
    verdicts: Verdicts
    """All predicates compiled as one."""
    by_name: dict[str, Trigger]
    opens: dict[str, tuple[Trigger, ...]]
    """Event type or conclusion kind → triggers that it opens or joins."""
    dwells: bool
    """A row waits for somebody to tell a product_view's dwell."""
    idles: bool
    """A row waits for her silence."""
    delivers: bool
    """A row waits for the delivery of an order."""
    answers: bool
    """A row opens on what she does with a mail."""
    blunt: frozenset[str]
    """Kinds of `cancels` that cancel whatever they are about: of those the newest is all that a late opening needs to know."""
    goals: frozenset[str]
    """Event types and conclusion kinds that some row has for its goal."""
    cancels: dict[str, tuple[Trigger, ...]]
    """Event type or conclusion kind → triggers that it may cancel."""
    consent_regions: dict[str, dict[str, str]] = {}
    """Region (`EU`, else a country's code) → purpose → its own rule, which goes before that of `consent`."""
    soft_bounces: int = 0
    """So many mails in a row that bounced softly suppress an address, until one arrives; 0: none do."""
    one_address: int = DAY_MS
    """For so long an address gets a message of one name for one of those who share it alone (ms); 0: for each of them."""
    hour_prior: int = 5
    """Her own opens and clicks that everybody's best hours count for, where a message waits for hers."""
    catalogue: Watching = Watching()
    """From when on a change of a product is one; each is told only where a trigger opens on it."""
    sensitive: Sensitive = NOTHING_LISTED
    """What must not be inferred of anybody: a pack adds to what comes with Kairos, and takes nothing away."""
    contact: ContactPolicy = ContactPolicy()
    """How often and when a person may be written to at all, whatever the reason."""
    remembers: int = 0
    """How long her messages are kept for caps to count (ms)."""
    heard: dict[str, frozenset[str]] = {}
    """Kind of a conclusion about her standing → the values (`segment`, `scheme.stage`) that may open a row; not there: any."""
    looks: tuple[str, ...] = ()
    """Properties that the condition of some cancel reads: the look-back keeps them."""
    variants: dict[str, Variant] = {}
    """Other subject lines, pictures and buttons of messages; which of those that fit does best is learnt from what people do."""
    variants_of: dict[str, tuple[Variant, ...]] = {}
    """Message → its variants."""
    scoring: Scoring = Scoring()
    """Figures of the scores: what is not said here is as in the pack that this one extends, else as the guides have it."""
    recommendations: Recommendations = Recommendations()
    """Which products messages recommend, and how the model of it is learned."""

    brand: Brand = Brand()
    """What its messages look like, and whom and where they say they come from."""
    region_offers: dict[str, str] = {}
    """Country's code, `EU` or `all` → what people there are told: `user.region_offer` in templates; the narrowest that fits (A-186)."""
    offers: Offering = NOBODYS
    """Figures that every offer goes by: caps, budgets, what tiers are offered, how people take discounts."""

    @cached_property
    def ended_by(self) -> dict[str, frozenset[str]]:
        """Event type or conclusion kind → names of all triggers whose windows it may end."""
        kinds = dict.fromkeys([kind for one in self.by_name.values() for kind in one.ends])
        return {kind: frozenset([name for name, one in self.by_name.items() if kind in one.ends]) for kind in kinds}

    def treatment(self, of: str, scheme: str, group: str) -> Treatment | None:
        """How people of a stage or tier (`of`) of a scheme are written to, if the pack says so: `treatment("tier", "s1", "high")`."""
        return self.treatments.get(f"{of} {scheme}.{group}")
