"""A partition's RocksDB: what a commit writes is there, in order of due; what cannot be trusted is thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine import store as module
from app.engine.memory import MemoryStore
from app.engine.origin import Marks
from app.engine.rows import NEVER, Row, pack_value
from app.engine.store import OPENED, PartitionStore, TableStore, Unreadable

CLUSTER = "cluster-1 2"


def row(who: str, due: int, old: int = NEVER, applied: int = 1) -> module.Row:
    return module.Row(b"p" + who.encode(), pack_value(applied, due, who.encode()), due, old)


def filled(path: Path) -> PartitionStore:
    store = PartitionStore.open(path, CLUSTER)
    store.table("people", b"l").keep([row(f"p{n}", 1000 + n) for n in range(50)], Marks(applied=7), 12, b"tail")
    return store


def people(store: PartitionStore) -> TableStore:
    return store.table("people", b"l")


def test_a_commit_is_there_after_a_clean_close(tmp_path: Path) -> None:
    filled(tmp_path / "p0").close()
    again = people(PartitionStore.open(tmp_path / "p0", CLUSTER))
    assert (again.marks().applied, again.changelog_next, again.tail) == (7, 12, b"tail")
    assert again.get_many([b"pp3", b"pnobody"]) == [pack_value(1, 1003, b"p3"), None]
    assert again.due(1001, 10) == [b"p0", b"p1"]
    assert again.due(5000, 3) == [b"p0", b"p1", b"p2"]


def test_tables_of_a_partition_do_not_see_each_other(tmp_path: Path) -> None:
    store = filled(tmp_path / "p0")
    other = store.table("identifiers", b"i")
    assert other.get_many([b"pp3"]) == [None]
    assert other.due(10**12, 10) == []
    assert other.marks().applied == -1
    assert [key for key, _ in other.rows()] == []


def test_a_due_earlier_than_what_was_scanned_is_found(tmp_path: Path) -> None:
    table = people(filled(tmp_path / "p0"))
    assert len(table.due(10**12, 100)) == 50
    table.keep([row(f"p{n}", NEVER, 1000 + n) for n in range(50)], Marks(), 13)
    assert table.due(10**12, 100) == []
    table.keep([row("late", 5)], Marks(), 14)
    assert table.due(4, 10) == []
    assert table.due(5, 10) == [b"late"]
    assert table.next_due() == 5


WRITES = st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 40)), max_size=6)
"""(who, new due) of one commit."""
TURNS = st.lists(st.tuples(WRITES, st.integers(0, 45), st.integers(1, 4)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(TURNS)
def test_due_order_is_that_of_the_plain_model(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[list[tuple[int, int]], int, int]]
) -> None:
    store = PartitionStore.open(tmp_path_factory.mktemp("model") / "p", CLUSTER)
    table, model, due = people(store), MemoryStore(), dict.fromkeys(range(6), NEVER)
    for writes, upto, limit in turns:
        rows = []
        for who, at in dict(writes).items():
            rows.append(row(str(who), at, due[who]))
            due[who] = at
        table.keep(rows, Marks(), 0)
        model.keep(rows, Marks(), 0)
        waiting = sorted((at, str(who).encode()) for who, at in due.items() if at != NEVER and at <= upto)
        assert table.due(upto, limit) == [key for _, key in waiting][:limit] == model.due(upto, limit)
    store.close()


def tags(who: str, *told: bytes) -> Row:
    return Row(b"w" + who.encode(), pack_value(1, NEVER, b"".join(told)), NEVER, NEVER)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.sets(st.sampled_from([b"shoe....", b"sock....", b"hat....."]))), max_size=8))
def test_tags_find_whoever_has_them_now(tmp_path_factory: pytest.TempPathFactory, turns: list[dict[str, set[bytes]]]) -> None:
    store = PartitionStore.open(tmp_path_factory.mktemp("tags") / "p", CLUSTER)
    table, model, plain = store.table("people", b"l", index=b"w"), MemoryStore(), dict[str, set[bytes]]()
    for turn in turns:
        plain |= turn
        for one in (table, model):
            one.keep([tags(who, *sorted(told)) for who, told in turn.items()], Marks(), 0)  # type: ignore[attr-defined]
        for tag in (b"shoe....", b"sock....", b"hat....."):
            found = sorted(who.encode() for who, told in plain.items() if tag in told)
            for after, limit in ((b"", 9), (b"", 1), (b"a", 9), (b"b", 1)):
                wanted = [who for who in found if who > after][:limit]
                assert table.tagged(tag, after, limit) == wanted == model.tagged(tag, after, limit)
    assert [key for key, _ in table.rows() if key[:1] == b"w"] == sorted(b"w" + who.encode() for who in plain), "the index is no row"
    assert table.due(10**15, 9) == [], "nor is it due"
    store.close()


def test_a_killed_process_keeps_what_it_wrote(tmp_path: Path) -> None:
    store = filled(tmp_path / "p0")
    store._db.close()  # no clean close: OPENED stays behind, of this boot
    assert people(PartitionStore.open(tmp_path / "p0", CLUSTER)).marks().applied == 7


@pytest.mark.parametrize("left", ["another boot", "condemned"])
def test_what_a_dead_machine_left_open_is_thrown_away(tmp_path: Path, left: str) -> None:
    filled(tmp_path / "p0")._db.close()
    (tmp_path / "p0" / OPENED).write_text(left)
    assert people(PartitionStore.open(tmp_path / "p0", CLUSTER)).marks().applied == -1


def test_another_clusters_state_is_thrown_away(tmp_path: Path) -> None:
    filled(tmp_path / "p0").close()
    assert people(PartitionStore.open(tmp_path / "p0", "cluster-2 2")).marks().applied == -1


def damage_manifest(path: Path) -> None:
    for file in path.glob("MANIFEST-*"):
        file.write_bytes(b"\xff" * len(file.read_bytes()))


def damage_current(path: Path) -> None:
    (path / "CURRENT").write_bytes(b"nonsense")


def lose_sst(path: Path) -> None:
    for file in path.glob("*.sst"):
        file.unlink()


def lose_half(path: Path) -> None:
    for file in sorted(path.iterdir())[::2]:
        file.unlink()


def cut_sst(path: Path) -> None:
    for file in path.glob("*.sst"):
        file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize("harm", [damage_manifest, damage_current, lose_sst, lose_half, cut_sst])
def test_a_corrupt_or_half_deleted_directory_is_rebuilt_from_nothing(tmp_path: Path, harm: object) -> None:
    filled(tmp_path / "p0").close()
    assert list((tmp_path / "p0").glob("*.sst"))
    harm(tmp_path / "p0")  # type: ignore[operator]
    table = people(PartitionStore.open(tmp_path / "p0", CLUSTER))
    assert (table.marks().applied, table.changelog_next) == (-1, 0)
    table.keep([row("p1", 5)], Marks(applied=1), 1)
    assert table.due(5, 1) == [b"p1"]


def test_flipped_bytes_found_while_reading_condemn_the_directory(tmp_path: Path) -> None:
    filled(tmp_path / "p0").close()
    for file in (tmp_path / "p0").glob("*.sst"):
        raw = bytearray(file.read_bytes())
        raw[20:60] = bytes(byte ^ 0xFF for byte in raw[20:60])
        file.write_bytes(bytes(raw))
    with pytest.raises(Unreadable):
        table = people(PartitionStore.open(tmp_path / "p0", CLUSTER))
        table.get_many([b"pp3"])
        table.due(10**12, 100)
    assert people(PartitionStore.open(tmp_path / "p0", CLUSTER)).marks().applied == -1


def test_a_deletion_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    filled(tmp_path / "p0").close()
    (tmp_path / "p0").rename(tmp_path / "p0.gone")
    assert people(PartitionStore.open(tmp_path / "p0", CLUSTER)).marks().applied == -1
    assert not (tmp_path / "p0.gone").exists()


def test_reset_starts_from_nothing(tmp_path: Path) -> None:
    assert people(filled(tmp_path / "p0").reset()).marks().applied == -1
