"""What a pack may say of contacts: the shipped ones, one that extends another, and everything that is refused, with its line."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from app.domain.contact_policy import ContactPolicy, Holidays, Level, QuietHours
from app.policy.contact_phrases import gates
from app.policy.lint import lint
from app.policy.pack import SHIPPED, compile_artifact, shipped
from app.policy.schema import Source
from tests.gated import GAP, HEAD, QUIET, TRIGGERS, WEEK, gated
from tests.her import DAY, HOUR, UNGATED, pack
from tests.test_packs import build_text

BASES = {name: (SHIPPED / f"{name}.toml").read_text("utf-8") for name in shipped()} | {
    "guides": (SHIPPED.parent / "included" / "guides.toml").read_text("utf-8")
}
LINES = HEAD.count("\n") + 1
"""Lines before what is said of contacts."""


def refused(contact: str, triggers: str = TRIGGERS) -> list[str]:
    return [str(one).removeprefix("p.toml:") for one in Source(f"{HEAD}\n{contact}\n{triggers}", "p.toml", BASES).problems]


def warned(contact: str, triggers: str = TRIGGERS) -> list[str]:
    text = f"{HEAD}\n{contact}\n{triggers}"
    return [one.message for one in lint(compile_artifact("mine@1", build_text(text)), text, "p.toml")]


CAP = '[[cap]]\nname = "a"\nwhy = "a test"\n'
PER = 'per = "7d"'
YEAR = [f"{date(2027, 1, 1) + timedelta(days=n):%m-%d}" for n in range(365)]
"""Every day of a year that is no leap year."""
WEEKLY = 'words = [{ says = ["weekly"], most = 1, per = "7d" }]'


@pytest.mark.parametrize(
    ("contact", "line", "why"),
    [
        # quiet hours
        ('[quiet_hours]\nfrom = "21:00"\nto = "21:00"', 3, "from and to are both 21:00"),
        ('[quiet_hours]\nfrom = "21:00"', 1, "to is missing"),
        ('[quiet_hours]\nfrom = "24:00"\nto = "08:00"', 2, "from: a time of day such as 21:00, 00:00 to 23:59, not '24:00'"),
        ('[quiet_hours]\nfrom = 21\nto = "08:00"', 2, "from: a text, not 21"),
        ('[quiet_hours]\nfrom = "9:00"\nto = "08:00"', 2, "from: a time of day"),
        (f'{QUIET}zone = "Europe/Atlantis"', 4, "zone: no time zone 'Europe/Atlantis'"),
        (f'{QUIET}zone = "../../etc/passwd"', 4, "zone: no time zone"),
        (f'{QUIET}holidays = ["13-01"]', 4, "holidays: a day such as 12-25 (every year) or 2026-04-06, not '13-01'"),
        (f'{QUIET}holidays = ["2026-02-29"]', 4, "holidays: a day such as"),
        (f'{QUIET}holidays = ["25 December"]', 4, "holidays: a day such as"),
        (f"{QUIET}holidays = [1225]", 4, "holidays: a day such as"),
        (f'{QUIET}holidays = ["12-25", "12-25"]', 4, "holidays: 12-25 a second time"),
        (f'{QUIET}holidays = "12-25"', 4, "holidays: a list of days"),
        (f'{QUIET}holidays = {{ Bavaria = ["01-06"] }}', 4, "holidays: 'Bavaria' is no region"),
        (f'{QUIET}holidays = {{ QQ = ["01-06"] }}', 4, "holidays: 'QQ' is no region: all, EU, or a country's code such as DE"),
        (
            f'{QUIET}holidays = {{ UK = ["01-06"] }}',
            4,
            "holidays: 'UK' is no region: all, EU, or a country's code such as DE; did you mean GB?",
        ),
        (f"{QUIET}holidays = {YEAR}", 4, "holidays: every day of 2027 is one in all: nothing would ever go out there"),
        (f"{QUIET}holidays = {{ all = {YEAR[:200]}, DE = {YEAR[200:]} }}", 4, "holidays: every day of 2027 is one in DE"),
        (f"{QUIET}holidays = {{ EU = {YEAR[:200]}, FR = {YEAR[200:]} }}", 4, "holidays: every day of 2027 is one in FR"),
        (f"{QUIET}holidays = {[f'2031-{day}' for day in YEAR]}", 4, "holidays: every day of 2031 is one in all"),
        (f'{QUIET}zone = "localtime"', 4, "zone: no time zone 'localtime'"),
        (f"{QUIET}until = 3", 4, "unknown field 'until'"),
        # caps
        (f'{CAP}most = 0\nper = "7d"', 4, "most: a cap of 0 sends nothing, ever"),
        (f'{CAP}most = -1\nper = "7d"', 4, "most: a whole number, 1 to 200"),
        (f'{CAP}most = 1.5\nper = "7d"', 4, "most: a whole number, 1 to 200"),
        (f'{CAP}most = true\nper = "7d"', 4, "most: a whole number, 1 to 200"),
        (f'{CAP}most = 201\nper = "7d"', 4, "most: a whole number, 1 to 200"),
        (f"{CAP}most = 1", 1, "per is missing"),
        (f'{CAP}most = 1\nper = "0s"', 5, "per: 1s to 40d"),
        (f'{CAP}most = 1\nper = "41d"', 5, "per: 1s to 40d"),
        (f'{CAP}most = 1\nper = "fortnight"', 5, "per: a duration such as 16h or 7d, or day, week, month"),
        (f"{CAP}most = 1\nper = 7", 5, "per: a duration"),
        (f'{CAP}most = 1\nper = "7d"\ntriggers = ["veiw"]', 1, "cap 'a': triggers: unknown trigger 'veiw'; did you mean view?"),
        (f'{CAP}most = 1\nper = "7d"\ntriggers = []', 6, "triggers: none named"),
        (f'{CAP}most = 1\nper = "7d"\nchannel = "fax"', 6, "channel: email or sms or push"),
        (f'{CAP}most = 1\nper = "7d"\ncounts = "words"', 6, "counts: messages or depth"),
        (f'{CAP}most = 2\nper = "7d"\ncounts = "depth"', 1, "cap 'a': most: quiz alone shows 3, so it is never sent"),
        (f'{CAP}by = "mood"\nper = "7d"', 4, "by: tier or stage or engagement"),
        (f'{CAP}by = "tier"\nper = "7d"\nmost = 3', 6, "most: a cap by tier takes the upper number of each tier's mails"),
        (f'{CAP}by = "tier"', 1, "per is missing"),
        (f'{CAP}by = "tier"\nper = "7d"\ncounts = "depth"', 6, "counts: what a tier may get is told in messages"),
        (f'{CAP}by = "stage"\nper = "7d"', 5, "per: a cap by stage takes the interval"),
        (f'{CAP}by = "engagement"\nper = "7d"', 1, "steps is missing"),
        (f'{CAP}by = "preference"', 1, "words is missing"),
        (f'{CAP}by = "preference"\nwords = []', 5, "words: none"),
        (f'{CAP}by = "preference"\nper = "7d"\n{WEEKLY}', 5, "per: a cap by preference has one for each of her words"),
        (f'{CAP}by = "preference"\ncounts = "depth"\n{WEEKLY}', 5, "counts: what a preference may get is told in messages"),
        (f'{CAP}by = "tier"\nper = "7d"\n{WEEKLY}', 6, "words: of a cap by preference"),
        (f'{CAP}by = "preference"\nwords = [{{ says = [], most = 1, per = "7d" }}]', 5, "says: no word"),
        (f'{CAP}by = "preference"\nwords = [{{ says = ["-"], most = 1, per = "7d" }}]', 5, "says: an empty word"),
        (f'{CAP}by = "preference"\nwords = [{{ says = ["weekly"], most = 1 }}]', 5, "per is missing"),
        (f'{CAP}by = "preference"\nwords = [{{ says = ["weekly"], most = 1, per = "week" }}]', 5, "per: of a cap by preference a duration"),
        (f'{CAP}by = "preference"\nwords = [{{ says = ["never"], most = 0, per = "7d" }}]', 5, "per: most = 0 is nothing, ever"),
        (f'{CAP}by = "preference"\nwords = [{{ says = ["weekly", "WEEKLY"], most = 1, per = "7d" }}]', 5, "says: 'WEEKLY' a second time"),
        (f'{CAP}by = "engagement"\nper = "7d"\nsteps = []', 6, "steps: none"),
        (f'{CAP}by = "engagement"\nper = "7d"\nsteps = [{{ least = 0, most = 0 }}]', 6, "most: a cap of 0"),
        (f'{CAP}by = "engagement"\nper = "7d"\nsteps = [{{ least = 2, most = 1 }}]', 6, "least: a number, 0 to 1"),
        (f'{CAP}by = "engagement"\nper = "7d"\nsteps = [{{ most = 1 }}]', 6, "a step begins at a score (least), or above one (above)"),
        (
            f'{CAP}by = "engagement"\nper = "7d"\nsteps = [{{ least = 0, most = 1 }}, {{ above = 0.7, most = 5 }}]',
            6,
            "steps: from the highest down",
        ),
        (f"{WEEK}{WEEK}", 7, "cap 'week' a second time"),
        # arbitration
        ('[arbitration]\ncombine = "max"', 2, "combine: min or stage or tier"),
        ('[arbitration]\nlosers = "cry"', 2, "losers: later or drop"),
        ('[arbitration]\nbest = "hour"', 2, "unknown field 'best'"),
    ],
)
def test_a_bad_contact_policy_is_refused_with_its_line(contact: str, line: int, why: str) -> None:
    found = refused(contact)
    assert any(one.startswith(f"{LINES + line}: " if line else "") and why in one for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("transactional = true", 'transactional = true\ngroup = "g"', "group: a transactional message waits for no other"),
        ("transactional = true", 'transactional = true\nbest_hour = "24h"', "best_hour: a transactional message does not wait"),
        ("converts = 0.1", "converts = 4", "converts: a share from 0 to 1, not 4"),
        ("depth    = 3", "depth    = 4", "depth: a whole number, 0 to 3"),
        ("depth    = 3", 'channels = ["fax"]', "channels: email or sms or push, not 'fax'"),
        ("depth    = 3", "channels = []", "channels: a message goes out by at least one"),
        ("depth    = 3", 'channels = ["sms", "sms"]', "channels: one of them a second time"),
    ],
)
def test_a_trigger_that_contradicts_itself_is_refused(old: str, new: str, why: str) -> None:
    group = '[[group]]\nname = "g"\nwhy = "a test"\nscope = "person"\n'
    assert any(why in one for one in refused(group, TRIGGERS.replace(old, new, 1)))


@pytest.mark.parametrize("by", ["stage", "tier"])
def test_a_cap_by_something_the_pack_does_not_go_by_is_refused(by: str) -> None:
    rows = f'{CAP}by = "{by}"\n{PER if by == "tier" else ""}\n{TRIGGERS}'
    nothing = HEAD[: HEAD.index("[goes_by]")] + HEAD[HEAD.index("[sender]") :]
    assert any(f"by: [goes_by] names no {by} scheme" in str(one) for one in Source(nothing + rows, "p.toml", BASES).problems)
    other = HEAD.replace('tier  = "s1"', 'tier  = "s0"').replace('stage = "s0"', 'stage = "s1"')
    assert any("by: no [[treatment]]" in str(one) for one in Source(other + rows, "p.toml", BASES).problems)


def test_a_pack_whose_triggers_all_share_one_group_is_told_so() -> None:
    group = '[[group]]\nname = "g"\nwhy = "a test"\nscope = "person"\n'
    rows = TRIGGERS.replace("why      =", 'group    = "g"\nwhy      =')
    all_but_one = warned(group, rows)
    assert not any("every trigger is in group" in one for one in all_but_one), "a transactional one is not"
    rows = rows[: rows.index('[[trigger]]\nname          = "receipt"')]
    [said] = [one for one in warned(group, rows) if "every trigger" in one]
    assert said == "every trigger is in group 'g': each person gets one conversation at a time, and all others end not_sent"


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ('[quiet_hours]\nfrom = "08:00"\nto = "07:30"', "from 08:00 to 07:30 leaves 30 minutes a day: did from and to change places?"),
        (f'{QUIET}holidays = {{ all = ["12-25"], DE = ["12-25", "10-03"] }}', "holidays: 12-25 of DE is one of all regions already"),
        (WEEK + GAP + CAP + 'most = 5\nper = "2d"', "cap 'a' never matters: 'week' (at most 2 in 7d) closes before it"),
        (WEEK + CAP + 'most = 1\nper = "7d"\ntriggers = ["receipt", "view"]', "cap 'a': receipt is transactional, which no cap counts"),
        (WEEK + CAP + 'most = 1\nper = "7d"\nchannel = "push"', "cap 'a': no trigger goes out by push"),
        (
            WEEK + '[arbitration]\ncombine = "tier"',
            "combine: fewer than two caps go by stage, tier or engagement, so there is nothing to combine",
        ),
        ("", "converts of cart, view: without a cap nothing competes for a place"),
    ],
)
def test_what_can_never_matter_is_said(contact: str, said: str) -> None:
    assert said in warned(contact)


def test_a_message_that_no_night_lets_live_is_said() -> None:
    rows = TRIGGERS.replace('expires  = "3d"', 'expires  = "11h"')
    assert "what poll has to say expires after 11h: due in the evening it is gone by the morning" in warned(QUIET, rows)
    assert not any("has to say" in one for one in warned(QUIET, TRIGGERS))


@pytest.mark.parametrize(
    ("quiet", "holidays", "said"),
    [
        (QUIET, ["12-25"], "from 2027-12-24 on nothing goes out for 35h in all"),
        (QUIET, {"DE": ["12-25", "12-26"], "EU": ["12-24"]}, "from 2027-12-23 on nothing goes out for 83h in DE"),
        (QUIET, ["12-31", "01-01", "2031-01-02"], "from 2030-12-30 on nothing goes out for 83h in all"),
        ('[quiet_hours]\nfrom = "00:00"\nto = "06:00"\n', ["12-25"], "from 2027-12-25 on nothing goes out for 30h in all"),
        ('[quiet_hours]\nfrom = "13:00"\nto = "15:00"\n', ["12-25"], "from 2027-12-25 on nothing goes out for 1d in all"),
    ],
)
def test_holidays_that_outlast_what_a_message_is_worth_are_said(quiet: str, holidays: object, said: str) -> None:
    told = str(holidays).replace(": ", " = ").replace("'", '"')
    [found] = [one for one in warned(f"{quiet}holidays = {told}") if "goes out for" in one]
    names = "cart, view, quiz, poll" if "83h" in said else "cart, view, quiz"
    assert found == f"holidays: {said}: what {names} have to say expires before it ends (the first after 1d)"


def test_one_day_left_in_a_year_is_enough_to_be_allowed() -> None:
    assert not any("every day" in one for one in refused(f"{QUIET}holidays = {YEAR[:-1]}"))


# --- what is kept -----------------------------------------------------------------------------------------------------------------


def extending(contact: str, base: str = "merged") -> ContactPolicy:
    text = f'name = "mine"\nwhy = "a test"\nextends = "{base}"\n{contact}'
    return compile_artifact("mine@1", build_text(text)).contact


def test_who_extends_has_all_of_it_or_states_anew_what_it_wants() -> None:
    merged = pack("merged").contact
    assert extending("") == merged
    restated = extending('[quiet_hours]\nfrom = "22:00"\nto = "06:00"\n[[cap]]\nname = "gap"\nwhy = "a test"\nmost = 1\nper = "6h"\n')
    assert restated.quiet_hours == QuietHours(22 * 60, 6 * 60)
    assert [(one.name, one.per) for one in restated.caps if one.name == "gap"] == [("gap", 6 * HOUR)]
    assert len(restated.caps) == len(merged.caps)
    assert restated.arbitration == merged.arbitration


def test_who_extends_can_have_none_of_it_or_its_own_alone() -> None:
    assert extending('contact_policy = "own"') == ContactPolicy()
    assert [one.name for one in extending(f'contact_policy = "own"\n{WEEK}').caps] == ["week"]
    assert pack(UNGATED).contact == ContactPolicy()
    assert pack(UNGATED).remembers == 0
    assert any("nothing to inherit" in str(one) for one in Source(f'contact_policy = "own"\n{HEAD}\n{TRIGGERS}', "p.toml", BASES).problems)


def test_the_shipped_packs_say_what_they_should() -> None:
    # interface.md section 6
    s1, merged = pack("s1").contact, pack("merged").contact
    assert s1.quiet_hours is None
    assert [(one.by, one.per) for one in s1.caps] == [("tier", 7 * DAY), ("preference", 0)]
    assert merged.quiet_hours == QuietHours(21 * 60, 8 * 60)
    own = [(one.most, one.per) for one in merged.caps if not one.by and not one.triggers and not one.channel and one.counts == "messages"]
    assert own == [(4, 7 * DAY), (1, 16 * HOUR)]
    assert [(one.by, one.per) for one in merged.caps if one.by] == [("tier", 7 * DAY), ("preference", 0)]
    assert (merged.arbitration.combine, merged.arbitration.losers) == ("min", "later")


def test_her_messages_are_kept_as_long_as_any_cap_looks_back() -> None:
    assert gated("").remembers == 0
    assert gated(GAP + WEEK).remembers == 7 * DAY
    assert gated(GAP + CAP + 'most = 9\nper = "month"').remembers == 32 * DAY
    assert gated(CAP + 'by = "stage"').remembers == 30 * DAY, "the longest interval of a stage"


def test_all_of_it_is_read() -> None:
    told = gated(
        f'{QUIET}zone = "Europe/Berlin"\nholidays = {{ all = ["12-25"], EU = ["05-09"] }}\n'
        f'{CAP}by = "engagement"\nper = "day"\nchannel = "sms"\ntriggers = ["view"]\n'
        "steps = [{ above = 0.7, most = 5 }, { least = 0, most = 1 }]"
    ).contact
    assert told.quiet_hours is not None
    assert told.quiet_hours.holidays == (Holidays("all", ("12-25",)), Holidays("EU", ("05-09",)))
    [cap] = told.caps
    assert (cap.calendar, cap.per, cap.channel, cap.triggers) == ("day", 0, "sms", ("view",))
    assert cap.steps == (Level(5, 0.7, True), Level(1, 0.0, False))


def test_a_picture_says_what_the_gate_asks() -> None:
    one = gated(QUIET + WEEK + GAP + CAP + 'most = 1\nper = "day"\ntriggers = ["view"]')
    assert gates(one.contact, one.by_name["cart"]) == ["not from 21:00 to 08:00", "cap week: at most 2 in 7d", "cap gap: at most 1 in 16h"]
    holidays = gated(QUIET + 'holidays = { all = ["12-25"], DE = ["10-03", "05-01"] }')
    assert gates(holidays.contact, holidays.by_name["cart"]) == ["not from 21:00 to 08:00", "not on holidays: 1 of all, 2 of DE"]
    assert gates(one.contact, one.by_name["view"])[-1] == "cap a: at most 1 a day, of view"
    assert gates(one.contact, one.by_name["receipt"]) == ["transactional: no quiet hours, no caps"]
