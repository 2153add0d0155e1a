"""Personas: found where they were planted, named by what tells them apart, told by conditions of a pack (A-043–A-045, A-106)."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from app.__main__ import main
from app.domain.personas import BY_NAME, NOBODY, Branch, Question, condition, holds, is_buyer, named, narrowed, roundest
from app.edges.published import published
from app.edges.training import NothingToLearn, train
from app.events import iso
from app.policy.pack import compile_artifact
from app.policy.persona_rows import BEGIN, END, rows, with_rows
from app.policy.reference import markdown
from app.settings import Settings
from tests.shop import DAY, MONDAY
from tests.test_packs import GOOD

Call = Callable[..., tuple[object, str, str]]
Record = dict[str, Any]

pytest.importorskip("sklearn", reason="the extra `models` is not installed: pip install 'kairos[models]'")

PLANTED: dict[str, dict[str, Any]] = {
    # recent browsing of sale items, low order value, high mobile engagement
    "budget": {
        "orders": (2, 6),
        "average": (15, 30),
        "price": (0.7, 0.95),
        "mobile": 0.97,
        "score": (0.4, 0.6),
        "seen": (0, 12),
        "age": (25, 44),
        "sale": (0.6, 0.9),
    },
    "big": {
        "orders": (8, 16),
        "average": (140, 260),
        "price": (0.1, 0.3),
        "mobile": 0.03,
        "score": (0.6, 0.9),
        "seen": (0, 20),
        "age": (45, 70),
        "sale": (0.0, 0.1),
    },
    "lapsed": {
        "orders": (1, 1),
        "average": (40, 90),
        "price": (0.4, 0.5),
        "mobile": 0.03,
        "score": (0.0, 0.1),
        "seen": (150, 400),
        "age": (20, 70),
        "sale": (0.1, 0.2),
    },
    "mobile": {
        "orders": (3, 6),
        "average": (80, 130),
        "price": (0.1, 0.3),
        "mobile": 0.97,
        "score": (0.4, 0.6),
        "seen": (0, 20),
        "age": (20, 40),
        "sale": (0.3, 0.45),
    },
}


def somebody(rng: random.Random, group: str, number: int, told_age: bool = True) -> Record:
    plan = PLANTED[group]
    orders, average = rng.randint(*plan["orders"]), round(rng.uniform(*plan["average"]), 2)
    return {
        "person_id": f"{group}-{number:04d}",
        "customer_id": f"c-{group}-{number}",
        "traits": {"age": rng.randint(*plan["age"])} if told_age else {},
        "last_seen": iso(MONDAY - round(rng.uniform(*plan["seen"]) * DAY)),
        "orders": orders,
        "spent": {"amount": f"{orders * average:.2f}", "currency": "EUR"},
        "average_order": {"amount": f"{average:.2f}", "currency": "EUR"},
        "interest": {"decayed": {f"category-{n}": 5.0 for n in range(rng.randint(1, 4))}},
        "price_sensitivity": round(rng.uniform(*plan["price"]), 4),
        "flags": {"mobile_preferred": rng.random() < plan["mobile"]},
        "engagement": {"score": round(rng.uniform(*plan["score"]), 4)},
        "sale_share": round(rng.uniform(*plan["sale"]), 4),
        "bot": False,
    }


def shop(each: int = 100, seed: int = 7, told_age: bool = True) -> list[Record]:
    """So many people of each planted group, and some who can have no persona."""
    rng = random.Random(seed)
    people = [somebody(rng, group, number, told_age) for group in PLANTED for number in range(each)]
    people += [somebody(rng, "mobile", 9000 + n) | {"orders": 0, "average_order": None} for n in range(20)]
    people += [somebody(rng, "mobile", 9100 + n) | {"bot": True} for n in range(5)]
    rng.shuffle(people)
    return people


@pytest.fixture(scope="module")
def people() -> list[Record]:
    return shop()


@pytest.fixture(scope="module")
def trained(people: list[Record]) -> Any:
    return train(people, MONDAY)


#
def test_groups_are_found_again_where_they_were_planted(trained: Any) -> None:
    assert len(trained.personas) == 4 and trained.people == 400
    assert trained.left_out == {"no order, or nobody": 25}
    assert [one.size for one in trained.personas] == pytest.approx([100] * 4, abs=6)
    assert max(trained.silhouettes, key=lambda k: trained.silhouettes[k]) == 4
    assert trained.stability > 0.9
    assert trained.not_used == {}


#
def test_the_budget_conscious_millennials_come_out(trained: Any) -> None:
    (one,) = [one for one in trained.personas if one.name == "budget_conscious_millennials"]
    assert one.title == "Budget-Conscious Millennials"
    assert (
        one.apart["sale_share"] > 1 and one.apart["price_sensitivity"] > 1 and one.apart["average_order"] < -1 and one.apart["mobile"] > 0.5
    )
    assert one.means["recency"] < 12 and 25 <= one.age <= 44


def test_they_are_no_millennials_if_their_age_says_otherwise(people: list[Record]) -> None:
    names = [one.name for one in train(shop(told_age=False), MONDAY).personas]
    assert "budget_conscious_millennials" in names  # nobody said
    old = [one | {"traits": {"age": str(60 + len(one["traits"]))}} for one in people]
    names = [one.name for one in train(old, MONDAY).personas]
    assert "budget_conscious_millennials" not in names and any("budget_conscious" in name for name in names)


def test_the_others_are_named_by_what_tells_them_apart(trained: Any) -> None:
    named_so = {one.name for one in trained.personas}
    assert len(named_so) == 4
    assert any("frequent" in name or "spend" in name or "basket" in name for name in named_so)
    assert any("lapsed" in name or "quiet" in name for name in named_so)
    assert all(name == name.lower() and " " not in name for name in named_so)


#
def test_conditions_put_people_where_the_groups_have_them(people: list[Record], trained: Any) -> None:
    """In CEL itself, not in the code that wrote them."""
    assert trained.accuracy > 0.95 and trained.accuracy_unseen > 0.9
    asked = {one.name: cel(one.when) for one in trained.personas}
    buyers = [record for record in people if is_buyer(record)]
    found: Counter[tuple[str, str]] = Counter()
    for record in buyers:
        held = [name for name, holds_for in asked.items() if holds_for(facts(record))]
        assert len(held) == 1  # a tree: one and only one
        found[record["person_id"].partition("-")[0], held[0]] += 1
    best = [max(count for (group, _), count in found.items() if group == planted) for planted in PLANTED]
    assert min(best) > 90 and found["budget", "budget_conscious_millennials"] > 90
    nobody = facts(people[0]) | {"orders": 0}
    assert not any(holds_for(nobody) for holds_for in asked.values())


def facts(record: Record) -> Record:
    """What a condition reads of a profile, as app/domain/facts.py tells it: money as numbers, days by the ms."""
    seen = BY_NAME["recency"].read(record, MONDAY)
    money = {name: float(record[name]["amount"]) if record[name] else None for name in ("spent", "average_order")}
    return record | money | {"days_since_seen": seen}


def cel(text: str) -> Callable[[Record], bool]:
    from cel_expr_python import cel

    env = cel.NewEnv(variables={"profile": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})
    compiled = env.compile(text)
    return lambda profile: compiled.eval(data={"profile": profile}).value() is True


def test_the_same_people_in_any_order_give_the_same_personas(people: list[Record], trained: Any) -> None:
    assert train(list(reversed(people)), MONDAY) == trained


def test_a_number_of_personas_may_be_asked_for(people: list[Record]) -> None:
    found = train(people, MONDAY, k=6)
    assert len(found.personas) == 6 == len({one.name for one in found.personas}) and list(found.silhouettes) == [6]


def test_a_wholesaler_is_no_persona(people: list[Record]) -> None:
    rng = random.Random(1)
    giant = {"orders": 900, "spent": {"amount": "2000000.00"}, "average_order": {"amount": "2222.22"}}
    found = train([*people, *(somebody(rng, "big", 5000 + n) | giant for n in range(3))], MONDAY)
    assert found.people == 403 and min(one.size for one in found.personas) > 50


def test_a_group_that_no_condition_tells_is_no_row(trained: Any) -> None:
    one = msgspec.structs.replace(trained.personas[0], when=NOBODY)
    text = rows([one, trained.personas[1]], "so")
    assert [row["name"] for row in tomllib.loads(text)["segment"]] == [trained.personas[1].name] and f"# {one.name}: " in text


def test_there_must_be_something_to_learn(people: list[Record]) -> None:
    with pytest.raises(NothingToLearn, match="49 buyers"):
        train([one for one in people if is_buyer(one)][:49], MONDAY)
    one = next(one for one in people if is_buyer(one))
    with pytest.raises(NothingToLearn, match="differ in nothing"):
        train([one | {"person_id": str(n)} for n in range(60)], MONDAY)
    two = [one | {"person_id": str(n), "orders": 1 + n % 2} for n in range(60)]
    with pytest.raises(NothingToLearn, match="only 2"):
        train(two, MONDAY, k=2)


@pytest.mark.parametrize("odd", [{"orders": "many"}, {"orders": float("nan")}, {"spent": None}, {"last_seen": "soon"}, {"interest": 3}])
def test_a_record_of_another_shape_is_left_out(people: list[Record], odd: Record) -> None:
    found = train([*people, people[0] | {"person_id": "odd"} | odd], MONDAY)
    assert found.people in (400, 401) and sum(found.left_out.values()) >= 25


# --- conditions and names ---------------------------------------------------------------------------------------------------------


def test_conditions() -> None:
    low, high = Question("average_order", True, 40.0), Question("frequency", False, 2.5)
    mobile: Branch = (Question("mobile", False, 0.5),)
    assert condition([(low, high)]) == "profile.orders >= 1 && profile.average_order <= 40.0 && profile.orders > 2"
    either = "profile.orders >= 1 && ((profile.average_order <= 40.0) || (profile.flags.mobile_preferred))"
    assert condition([(low,), mobile]) == either
    assert condition([(Question("mobile", True, 0.5),)]) == "profile.orders >= 1 && !profile.flags.mobile_preferred"
    assert condition([()]) == "profile.orders >= 1" and condition([]) == "false"


def test_of_tests_in_one_direction_the_narrowest_stays() -> None:
    branch = (Question("spend", True, 90.0), Question("spend", True, 50.0), Question("spend", False, 10.0), Question("spend", False, 20.0))
    assert set(narrowed(branch)) == {Question("spend", True, 50.0), Question("spend", False, 20.0)}
    for value in (5.0, 15.0, 20.0, 20.5, 50.0, 60.0):
        assert holds(branch, {"spend": value}) == holds(narrowed(branch), {"spend": value})


def test_thresholds_are_round_and_part_alike() -> None:
    assert roundest(39.8711, [10.0, 39.0, 41.0]) == 40
    assert roundest(39.8711, [39.86, 39.88]) == 39.87
    assert roundest(0.5, [0.0, 1.0]) == 0
    assert roundest(5.0, []) == 5


def test_names_are_all_different() -> None:
    same = ({"recency": 1.0}, {"spend": 2.0, "frequency": 1.0}, None)
    names = [name for name, _ in named([same] * 3)]
    assert names == ["high_spend_frequent", "high_spend_frequent_2", "high_spend_frequent_3"]
    assert named([({}, {"spend": 0.1}, None)])[0] == ("high_spend", "High spend")


# --- the command and the pack -----------------------------------------------------------------------------------------------------


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, people: list[Record]) -> Call:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in people))

    def run(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["train", "personas", "--from", *arguments])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_reports_and_rows_of_a_pack(call: Call, tmp_path: Path) -> None:
    code, out, err = call("profiles.jsonl", "--pack", "personas.toml", "--html", "personas.html")
    assert (code, err) == (0, "") and "Budget-Conscious Millennials  " in out
    segments = tomllib.loads((tmp_path / "personas.toml").read_text())["segment"]
    assert len(segments) == 4 and all(set(one) == {"name", "why", "when"} for one in segments)
    told = orjson.loads(call("profiles.jsonl", "--json")[1])
    assert {one["name"]: one["when"] for one in told["personas"]} == {one["name"]: one["when"] for one in segments}
    assert told["pack"] == (tmp_path / "personas.toml").read_text() and told["k"] == 4
    page = (tmp_path / "personas.html").read_text()
    assert "Budget-Conscious Millennials" in page and "profile.orders &gt;= 1" in page and "c-budget" not in page


def test_exit_codes(call: Call, tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text('{"person_id": "p1", "traits": {}}\n')
    code, out, err = call("few.jsonl")
    assert (code, out) == (1, "") and "0 buyers to learn from; it takes 50" in err
    assert call("none.jsonl")[0] == 2
    assert call("profiles.jsonl", "-k", "1")[0] == 2
    assert call("profiles.jsonl", "--policy", "merged")[0] == 2


def test_without_the_extra_it_says_what_to_install(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    code, _, err = call("profiles.jsonl")
    assert code == 2 and "pip install 'kairos[models]'" in err and err.count("\n") == 1


def test_the_engine_does_not_load_what_learns() -> None:
    script = "import sys, app.commands.worker, app.commands.train as train; print('sklearn' in sys.modules, 'numpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]


def test_rows_take_the_place_of_those_before(trained: Any) -> None:
    once = with_rows(GOOD, rows(trained.personas, "first"))
    again = with_rows(once, rows(trained.personas[:1], "second"))
    assert tomllib.loads(once) | {"segment": 0} == tomllib.loads(GOOD) | {"segment": 0}
    assert len(tomllib.loads(once)["segment"]) == 4 and len(tomllib.loads(again)["segment"]) == 1
    assert again.count(BEGIN) == again.count(END) == 1 and again.startswith(GOOD.rstrip())
    assert with_rows(again, rows(trained.personas, "first")) == once


#
@pytest.mark.embedded
def test_personas_become_active_by_publishing_a_pack(call: Call, embedded_cluster: Settings, tmp_path: Path) -> None:
    if "[[segment]]" not in markdown():
        pytest.skip("packs have no segments yet")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pack.toml").write_text(GOOD)
    assert call("profiles.jsonl", "--publish")[0] == 1  # nothing is active yet
    code, _, err = call("profiles.jsonl", "--publish", "--policy", "mine/pack.toml")
    assert code == 0, err
    (version,) = asyncio.run(published(embedded_cluster)).versions
    assert version.ref.startswith("mine@") and version.whole
    compile_artifact(version.ref, version.data)
    assert b"budget_conscious_millennials" in version.data
    code, _, err = call("profiles.jsonl", "-k", "2", "--publish", "--policy", version.ref)
    assert code == 0, err
    newest = asyncio.run(published(embedded_cluster)).versions[-1]
    assert newest.ref != version.ref and newest.data.count(b"[[segment]]") == 2
