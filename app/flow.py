"""THE MAP: every topic, table, role and agent, each with its why. What does not stand here does not exist.

`kairos topics create` makes the topics from it, the engine builds lanes from it, `kairos explain EVENT_TYPE` walks it, and a test
keeps code and map in step. A topic is created only once something writes it.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

DAY_MS = 86_400_000
DECISIONS_DAYS, SENDS_DAYS = 90, 7
"""As long as their topics have them, and the reader."""

INTAKE_EDGE = "producers"
"""Writers outside Kairos."""

LANE_AGENTS = ("profile_updater", "intent_scorer", "churn_watcher", "segmenter", "trigger_scheduler")
"""The person lane, in the order in which it steps its agents at each record."""


AWAITS_POLICY = ("intake", "product_watcher")
"""Agents that do nothing before a policy is active: what people did, and what became of products, before it would be decided by none."""

NOTICED = ("purchase", "store_purchase", "review_write")
"""Events of which the lane tells the product watcher: social proof."""


class Stage(IntEnum):
    """Who derived a record: the first byte of its origin header. Numbers are on disk and on the wire: never reuse one."""

    INTAKE = 1
    LANE = 2
    HANDED = 3
    """Conclusions the lane already handed to its agents; read back, they are skipped by this id alone."""
    RENDERER = 4
    CLOCK = 5
    REKEY = 6
    """Intake putting a wrongly keyed record back under its key, once."""
    LINK = 7
    """Intake, or an operator, telling the partition that owns an identifier whose it is."""
    ANALYST = 8
    READER = 9
    WATCHER = 10
    RECOMMENDER = 11
    POSTMASTER = 12


class Topic(Struct, frozen=True):
    """A Kafka topic. `partitions` 0: as many as the cluster has (`KAIROS_PARTITIONS`). `config`: exact settings, asserted at start."""

    name: str
    key: str
    carries: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    config: dict[str, str]
    partitions: int = 0


class Table(Struct, frozen=True):
    """Rows of one agent group, kept in the partition's RocksDB and in one changelog. `rows`: row kind byte → what it holds.

    `kept_days` 0: rows stay. Else group keys begin with a day (engine/rows.py), and rows go that many days before the newest. `index`: the
    row kind that holds tags; its group is found by each of them.
    """

    name: str
    why: str
    prefix: bytes
    rows: dict[str, str]
    writers: tuple[str, ...]
    kept_days: int = 0
    index: str = ""

    @property
    def changelog(self) -> str:
        return f"{self.name}-changelog"


class Agent(Struct, frozen=True):
    """A Faust agent: one concern. `part`: what it alone writes; `sees`: parts of earlier agents it may read as of the same record."""

    name: str
    why: str
    reads: str
    part: str | None
    sees: tuple[str, ...]
    writes: tuple[str, ...]


class Followed(Struct, frozen=True):
    """A compacted topic, or a table's changelog, that every worker of a role follows whole, by a plain consumer, into one local store: its
    newest value by key."""

    topic: str
    role: str
    why: str
    first: bool = False
    """A worker does nothing before it has read it to its end: what it makes depends on it."""


class Role(Struct, frozen=True):
    """A Faust app with a consumer group and datadir of its own."""

    name: str
    why: str
    agents: tuple[str, ...]


def _kept(days: float, **more: str) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(int(days * DAY_MS)),
        "max.message.bytes": "1048576",
        **{name.replace("_", "."): value for name, value in more.items()},
    }


def _compacted(**more: str) -> dict[str, str]:
    # min.compaction.lag: the cleaner must not leave only a zombie's record (engine-findings 0.4).
    return {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": "600000",
        "max.message.bytes": "1048576",
        **{name.replace("_", "."): value for name, value in more.items()},
    }


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "customer_events",
            "customer id, else anonymous id",
            "raw events from shops, SDKs, e-mail providers, consent pages; sealed links between identifiers",
            (INTAKE_EDGE, "intake", "people unlink", "replay"),
            ("intake",),
            # The broker's stamp is the journal's `at`; producers may send up to 8 MiB so that intake, not the broker, refuses and explains.
            {**_kept(3, message_timestamp_type="LogAppendTime"), "max.message.bytes": "8388608"},
        ),
        Topic(
            "control",
            "none",
            "intake's progress, activations, operator's commands",
            ("intake", "policy publish", "policy rollback", "analyst", "recommender", "train recommend"),
            ("clock",),
            _kept(7, message_timestamp_type="LogAppendTime"),
            partitions=1,
        ),
        Topic(
            "journal",
            "person id",
            "accepted events, ticks, activations, links and moves, conclusions, product broadcasts, what became of plans",
            ("intake", "clock", *LANE_AGENTS, "postmaster", "renderer", "product_watcher", "replay"),
            (*LANE_AGENTS, "recommender", "explain", "preview", "digest", "train recommend"),
            _kept(35),
        ),
        Topic(
            "addressed_plans",
            "fingerprint of channel and address",
            "a message that is due and passed every gate of its person; that somebody closed her address, or opens it again",
            ("profile_updater", "trigger_scheduler", "renderer", "replay"),
            ("postmaster",),
            _kept(7),
        ),
        Topic(
            "message_plans",
            "person id",
            "a message that its address takes, too, with what its template may read",
            ("postmaster", "replay"),
            ("renderer",),
            _kept(7),
        ),
        Topic(
            "message_sends",
            "person id",
            "the finished message, complete",
            ("renderer",),
            ("any downstream consumer", "send_reader", "explain", "preview"),
            _kept(SENDS_DAYS),
        ),
        Topic(
            "decisions",
            "person id",
            "why something was opened, cancelled, sent, not sent",
            ("trigger_scheduler", "postmaster", "renderer"),
            ("decision_reader", "explain", "decisions", "digest", "preview", "warehouse"),
            _kept(DECISIONS_DAYS),
        ),
        Topic(
            "artifacts",
            "name@hash",
            "packs with their templates, figures of everybody, models; which one of a kind is active",
            ("policy publish", "policy rollback", "clock", "analyst", "recommender", "train recommend"),
            ("every worker", "policy list", "population", "explain", "preview", "export recommendations"),
            _compacted(),
            partitions=1,
        ),
        Topic(
            "facts",
            "none",
            "-old/+new changes of figures of everybody, nobody named; a tick a day",
            ("segmenter", "clock", "replay"),
            ("analyst", "population"),
            _kept(7),
            # They come with orders and changes of stage, not with every event, and what they add up to has to meet in one place anyway.
            partitions=1,
        ),
        Topic(
            "profiles",
            "person id",
            "her profile as it stands, at most once per person per 10 s; nothing for who has become somebody else",
            ("profile_updater",),
            ("any downstream consumer", "reader", "digest", "warehouse"),
            _compacted(),
        ),
        Topic(
            "catalog_changes",
            "product id",
            "a product, or what changes of it: price, stock, margin, attributes; that somebody bought or rated it",
            (INTAKE_EDGE, "catalog import", "profile_updater"),
            ("product_watcher",),
            # The broker's stamp is the time of a change, and of its broadcast on the journal.
            _kept(7, message_timestamp_type="LogAppendTime"),
        ),
        Topic(
            "products",
            "product id",
            "a product as it stands; nothing for one that was taken off",
            ("product_watcher",),
            ("intake", "renderer", "catalog import", "any downstream consumer"),
            _compacted(),
        ),
        Topic(
            "dead_letters",
            "as received",
            "what could not be accepted: bytes, every reason, stage, origin",
            (
                "intake",
                "profile_updater",
                "postmaster",
                "renderer",
                "clock",
                "product_watcher",
                "analyst",
                "decision_reader",
                "send_reader",
                "recommender",
                "replay",
            ),
            ("replay",),
            _kept(14),
        ),
    )
}

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "identifiers",
            "what intake must remember of an identifier to accept an event once, and under the right person",
            b"i",
            {"p": "recent event ids, events this hour, whom it was linked to, what was linked from it"},
            ("intake",),
        ),
        Table(
            "people",
            "one row per person, a part per agent, written by that agent alone",
            b"l",
            {
                "d": "when to wake her, what of her is not published yet",
                "p": "profile, intent, churn, standing, windows",
                "h": "big and seldom changing: orders, look-back",
                "w": "tags of the products she looks at or wants",
            },
            LANE_AGENTS,
            index="w",
        ),
        Table(
            "catalogue",
            "what the shop says of a product and what people made of it, a row each",
            b"c",
            {"p": "the product as it stands; its ratings; ids of what was counted last"},
            ("product_watcher",),
        ),
        Table(
            "mailboxes",
            "what addresses got lately and who closed them: people who share one live in different partitions, and none of them knows",
            b"a",
            {"p": "its newest 20 messages; each person's last word on it; who has become whom"},
            ("postmaster",),
        ),
        Table(
            "renders",
            "which plans were answered, and what campaigns have given away: a row per campaign, so that none gives more than its share",
            b"r",
            {"b": "the most that its offers of this partition may cost"},
            ("renderer",),
        ),
        Table(
            "figures",
            "how everybody compares: one group, a row per figure, so that a change writes its own figure alone",
            b"f",
            {
                "p": "when it is next published, what was published",
                "c": "clv",
                "f": "frequency",
                "r": "recency",
                "s": "monetary",
                "n": "sizes of stages, tiers and segments",
                "v": "migrations a day",
            },
            ("analyst",),
        ),
        Table(
            "decided",
            "what was decided on whom and why, to be asked for: a row per decision, by day, so that a day goes in one piece",
            b"d",
            {"p": "the record as it was written"},
            ("decision_reader",),
            DECISIONS_DAYS,
        ),
        Table(
            "sent",
            "the messages themselves, a row each, no longer than message_sends has them: they carry addresses in plain text",
            b"s",
            {"p": "the record as it was written, packed"},
            ("send_reader",),
            SENDS_DAYS,
        ),
        Table(
            "tastes",
            "what each person did with products lately, to learn recommendations from; every insight worker follows all of it",
            b"t",
            {"p": "her newest 50 likings; whom she has become"},
            ("recommender",),
        ),
    )
}

CHANGELOGS = {table.changelog: table for table in TABLES.values()}

AGENTS: dict[str, Agent] = {
    agent.name: agent
    for agent in (
        Agent(
            "intake",
            "contract, duplicates, identity, key: what gets into the journal, exactly once",
            "customer_events",
            "identifiers",
            (),
            ("journal", "customer_events", "dead_letters", "control"),
        ),
        Agent(
            "profile_updater",
            "who she is: orders, last seen, interest, mail counts, consent, traits",
            "journal",
            "profile",
            (),
            ("journal", "dead_letters", "profiles", "catalog_changes", "addressed_plans"),
        ),
        Agent("intent_scorer", "how close she is to buying", "journal", "intent", ("profile",), ("journal",)),
        Agent("churn_watcher", "whether she is overdue by her own rhythm", "journal", "churn", ("profile",), ("journal",)),
        Agent(
            "segmenter",
            "which stage, tier and segments she is in",
            "journal",
            "standing",
            ("profile", "intent", "churn"),
            ("journal", "facts"),
        ),
        Agent(
            "trigger_scheduler",
            "which windows are open, which message is due, and whether it may go",
            "journal",
            "windows",
            ("profile", "intent", "churn", "standing"),
            ("addressed_plans", "decisions", "journal"),
        ),
        Agent(
            "postmaster",
            "one address, one mail, however many profiles share it; what one of them closed is closed to all",
            "addressed_plans",
            "mailboxes",
            (),
            ("message_plans", "decisions", "journal", "dead_letters"),
        ),
        Agent(
            "renderer",
            "writes the planned message and answers the plan",
            "message_plans",
            "renders",
            (),
            ("message_sends", "decisions", "journal", "dead_letters", "addressed_plans"),
        ),
        Agent(
            "clock",
            "passing time and the low-water mark; fans activations out",
            "control",
            None,
            (),
            ("journal", "facts", "artifacts", "dead_letters"),
        ),
        Agent(
            "product_watcher",
            "what the catalogue has of each product, and which of its changes people are to be told of",
            "catalog_changes",
            "catalogue",
            (),
            ("products", "journal", "dead_letters"),
        ),
        Agent(
            "analyst",
            "how everybody compares: counts the facts, and once a day publishes their sums for the lanes to rank by",
            "facts",
            "figures",
            (),
            ("artifacts", "control", "dead_letters"),
        ),
        Agent("decision_reader", "keeps what was decided, to be asked for", "decisions", "decided", (), ("dead_letters",)),
        Agent("send_reader", "keeps the messages, to be asked for", "message_sends", "sent", (), ("dead_letters",)),
        Agent(
            "recommender",
            "what goes with what: keeps what each person likes, and learns from everybody's, each hour, what messages recommend",
            "journal",
            "tastes",
            (),
            ("artifacts", "control", "dead_letters"),
        ),
    )
}

FOLLOWED: tuple[Followed, ...] = (
    Followed("profiles", "insight", "the reader answers with the whole of a person, whosever partition she is in"),
    Followed("products", "insight", "recommendations are learned of what the shop has"),
    Followed("products", "core", "a message shows products, and an order's lines get their cycles, as they stand when it is written", True),
    Followed("tastes-changelog", "insight", "recommendations are learned from everybody's tastes, whosever partition they are in"),
)

ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role("core", "from raw event to finished message", ("intake", *LANE_AGENTS, "postmaster", "renderer", "clock", "product_watcher")),
        Role("insight", "what all of it adds up to, and what became of whom", ("analyst", "decision_reader", "send_reader", "recommender")),
    )
}


def tables_of(role: str) -> list[Table]:
    """The tables that a role keeps."""
    return [table for table in TABLES.values() if table.writers[0] in ROLES[role].agents]


def lies_alone(topic: str) -> bool:
    """Whether a topic has a partition count of its own: its partitions are not those of the people."""
    return TOPICS[topic].partitions > 0


def walk(event_type: str) -> list[str]:
    """The way of an event through the map, one sentence a hop, from agents and topics as they stand above."""
    lines = [f"{event_type} arrives on customer_events (key: {TOPICS['customer_events'].key})."]
    lines += _hop("intake")
    lines.append(f"journal: one lane per partition steps {', '.join(LANE_AGENTS)} in this order over one row per person.")
    for name in LANE_AGENTS:
        lines += _hop(name)
    lines += _hop("postmaster")
    lines += _hop("renderer")
    if event_type in NOTICED:
        lines += _hop("product_watcher")
    return lines


def _hop(name: str) -> list[str]:
    agent = AGENTS[name]
    sees = f" sees {', '.join(agent.sees)};" if agent.sees else ""
    keeps = f" keeps {agent.part};" if agent.part else ""
    return [f"{name}: {agent.why}; reads {agent.reads};{sees}{keeps} writes {', '.join(agent.writes)}."]
