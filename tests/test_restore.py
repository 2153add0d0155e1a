"""What a changelog means, with records of zombies in it; and the assertions beside it: contiguity, the low-water rounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.contiguity import Contiguity, Gap
from app.engine.memory import MemoryStore
from app.engine.origin import Marks
from app.engine.restore import Restore
from app.engine.rounds import Rounds
from app.engine.rows import MARKS, NEVER, pack_value, read_header

Change = tuple[bytes, bytes]


def row(who: bytes, applied: int, due: int = NEVER) -> Change:
    return b"p" + who, pack_value(applied, due, b"%d" % applied)


def marks(applied: int, cursor: int = 0) -> Change:
    return MARKS, Marks(applied, cursor).encode()


def restored(changes: list[Change], pieces: list[int] | None = None) -> tuple[MemoryStore, list[bytes]]:
    """The store after the changelog was read in pieces of these sizes, and the keys to append again."""
    store = MemoryStore()
    restore = Restore(store.get_many, store.marks(), 0)
    ends: set[int] = set()
    for size in pieces or [len(changes)]:
        ends.add(max(ends, default=0) + size)
    for offset, (key, value) in enumerate(changes):
        restore.feed(key, value, offset)
        if offset + 1 in ends:
            done = restore.result()
            store.keep(done.rows, done.marks, done.changelog_next)
    done = restore.result()
    store.keep(done.rows, done.marks, done.changelog_next)
    return store, restore.stale()


def test_the_highest_applied_wins_not_the_last() -> None:
    store, stale = restored([row(b"ann", 7), marks(7), row(b"ann", 5), row(b"bob", 6), marks(6)])
    assert store.rows == dict([row(b"ann", 7), row(b"bob", 6)])
    assert store.marks().applied == 7
    assert stale == [b"pann", MARKS], "compaction would keep the zombie's: these are appended again"


def test_marks_win_by_offset_and_cursor() -> None:
    # lane-findings 2.4: by offset alone a zombie in its second slice takes the cursor back
    store, stale = restored([marks(4, 20), marks(4, 10)])
    assert (store.marks().cursor, stale) == (20, [MARKS])


def test_what_is_repaired_is_stale_no_more() -> None:
    assert restored([row(b"ann", 7), row(b"ann", 5), row(b"ann", 7)])[1] == []


def test_a_crash_before_the_repair_does_not_forget_it() -> None:
    store, stale = restored([row(b"ann", 7), row(b"bob", 1), row(b"ann", 5), row(b"bob", 8)])
    assert stale == [b"pann"] and store.changelog_next == 2, "the next restore begins before the stale record"
    again = Restore(store.get_many, store.marks(), store.changelog_next)
    for offset, (key, value) in [(2, row(b"ann", 5)), (3, row(b"bob", 8))]:
        again.feed(key, value, offset)
    assert again.result().rows == [] and again.stale() == [b"pann"]


def test_a_tombstone_is_not_ours() -> None:
    with pytest.raises(ValueError, match="tombstone"):
        Restore(MemoryStore().get_many, Marks(), 0).feed(b"pann", None, 3)


changes = st.lists(
    st.one_of(
        st.builds(row, st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 9), st.integers(-1, 3)),
        st.builds(marks, st.integers(0, 5), st.integers(0, 2)),
    ),
    max_size=30,
)


@given(changes, st.lists(st.integers(1, 5), max_size=10))
def test_pieces_do_not_matter(changes: list[Change], pieces: list[int]) -> None:
    one, stale = restored(changes)
    other, stale_in_pieces = restored(changes, pieces)
    assert {key: value[:9] for key, value in other.rows.items()} == {key: value[:9] for key, value in one.rows.items()}
    assert other.marks() == one.marks() and stale_in_pieces == stale and other.changelog_next == one.changelog_next


@given(changes)
def test_restore_is_the_maximum_of_each_key(changes: list[Change]) -> None:
    store, stale = restored(changes)
    for key in {key for key, _ in changes if key != MARKS}:
        applied = [value[1:9] for other, value in changes if other == key]
        assert store.rows[key][1:9] == max(applied)
        assert (key in stale) == (applied[-1] != max(applied))
    places = [(Marks.decode(value).applied, Marks.decode(value).cursor) for key, value in changes if key == MARKS]
    assert (store.marks().applied, store.marks().cursor) == max(places, default=(-1, 0))
    dues = [(read_header(value)[1], key[1:]) for key, value in store.rows.items()]
    assert list(store.waiting()) == sorted(due for due in dues if due[0] != NEVER)


def test_a_gap_or_an_inversion_ends_the_lane() -> None:
    exact = Contiguity("journal/0", 5)
    exact.check(5, 9)
    exact.check(10, 10)
    for base, last in ((12, 13), (10, 12), (11, 9)):
        with pytest.raises(Gap, match="11 was expected"):
            exact.check(base, last)
    loose = Contiguity("customer_events/0", 5, exact=False)
    loose.check(7, 8)
    with pytest.raises(Gap):
        loose.check(8, 9)


def test_the_low_water_mark_waits_for_what_was_put_back() -> None:
    """Intake is behind by two rounds; what it put back from the first lies behind the ends of both, so it takes a third."""
    rounds = Rounds()
    rounds.note(1000, {0: 10, 1: 20})
    rounds.note(2000, {0: 12, 1: 20})
    rounds.report({0: 12, 1: 20}, 2500)  # and has put a record back at 1: offset 20
    assert rounds.low_water == 0
    rounds.note(3000, {0: 12, 1: 21})
    assert rounds.low_water == 0
    rounds.report({1: 21}, 3100)
    assert rounds.low_water == 2000


def test_the_low_water_mark_is_the_round_before_while_intake_keeps_up() -> None:
    rounds = Rounds()
    for second in range(1, 6):
        rounds.note(second * 1000, {0: second})
        rounds.report({0: second}, second * 1000 + 300)
        assert rounds.low_water == (second - 1) * 1000
    assert rounds.behind() == {}


def test_a_partition_holds_the_mark_until_it_is_left_out() -> None:
    rounds = Rounds()
    for second in range(1, 5):
        rounds.note(second * 1000, {0: 1, 1: 5})
        rounds.report({0: 1}, second * 1000 + 1)
    assert rounds.low_water == 0 and rounds.behind() == {1: 5}
    rounds.leave_out(1, 100_000)
    for second in range(5, 8):
        rounds.note(second * 1000, {0: 1, 1: 5})
        rounds.report({0: 1}, second * 1000 + 1)
    assert rounds.low_water == 6000
