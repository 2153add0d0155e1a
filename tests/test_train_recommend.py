"""Learning recommendations: counted once more by hand, judged on a hand-made split, and the commands a newcomer would use."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from app.__main__ import kairos
from app.agents import similarity
from app.agents.recommender_program import MAX_LIKINGS, RecommenderProgram, Tastes, after, likings
from app.agents.table import Liked, NothingToLearn, log_of, table
from app.domain.catalogue import Item
from app.domain.liking import BOUGHT, CARTED, REVIEWED, VIEWED, WISHED, Weights
from app.domain.neighbours import COLLABORATIVE, CONTENT, TOGETHER, decode
from app.domain.recommendation import Recommendations
from app.edges.likings_file import from_file
from app.edges.rankers import Als, Cosine, Ease, Popularity
from app.edges.trial import Trial, best, judged, last_out, tried
from app.edges.trial import after as split_after
from app.engine.program import Moment, Refused
from app.events import Event, MergeOut, Tick, Unlink, encode
from tests.mails import Arrived
from tests.shop import MONDAY

DAY = 86_400_000
GOOGLE = Path(__file__).parent.parent.parent / "shared" / "data" / "google-merchandise-store.dev.jsonl.gz"


def known(*names: str) -> dict[str, Item]:
    return {name: Item(name, name=name, category=name[0]) for name in names}


def some(rng: Random, people: int = 40, products: int = 12) -> list[Liked]:
    kinds = (VIEWED, VIEWED, WISHED, CARTED, BOUGHT, REVIEWED)
    names = [f"{'ab'[n % 2]}{n}" for n in range(products)]
    return [
        Liked(f"u{rng.randrange(people)}", rng.choice(names), rng.choice(kinds), MONDAY + rng.randrange(20 * DAY))
        for _ in range(people * 8)
    ]


# --- counted again --------------------------------------------------------------------------------------------------------------------


def naive_cosine(liked: list[Liked], shrink: float) -> dict[tuple[str, str], float]:
    """As the docstring says it: who liked it at all, a person of n items counting 1 / ln(2 + n)."""
    hers: dict[str, set[str]] = defaultdict(set)
    for one in liked:
        hers[one.person].add(one.product_id)
    weight = {person: 1 / math.log(2 + len(items)) for person, items in hers.items()}
    dots: Counter[tuple[str, str]] = Counter()
    for person, items in hers.items():
        for one in items:
            for other in items:
                dots[one, other] += weight[person] ** 2
    length = {one: math.sqrt(dots[one, one]) for one in {name for name, _ in dots}}
    return {(one, other): dot / (length[one] * length[other] + shrink) for (one, other), dot in dots.items() if one != other}


@pytest.mark.parametrize("seed", range(5))
def test_collaborative_neighbours_are_those_of_a_naive_recount(seed: int) -> None:
    #
    liked = some(Random(seed))
    learned = table(log_of(liked), {}, Weights())
    lists = similarity.liked_alike(learned.matrix, 5)
    expected = naive_cosine(liked, similarity.SHRINK)
    for column, near in zip(learned.columns, lists, strict=True):
        mine = column.products[0]
        order = sorted(((other, one) for (name, other), one in expected.items() if name == mine), key=lambda pair: (-pair[1], pair[0]))
        assert [weight for _, weight in near] == pytest.approx([weight for _, weight in order[:5]])
        assert {learned.columns[n].products[0] for n, weight in near if weight > order[5][1] + 1e-9} == {
            other for other, weight in order[:5] if weight > order[5][1] + 1e-9
        }


def test_the_strongest_sign_counts_once_and_weights_make_what_is_popular() -> None:
    liked = [
        Liked("u", "a", VIEWED, 1),
        Liked("u", "a", BOUGHT, 2),
        Liked("u", "a", VIEWED, 3),
        Liked("v", "a", VIEWED, 4),
        Liked("v", "b", CARTED, 5),
    ]
    learned = table(log_of(liked), {}, Weights())
    assert learned.matrix.toarray().tolist() == [[5.0, 0.0], [1.0, 3.0]]
    assert learned.popularity.tolist() == [6.0, 3.0]


def test_any_order_gives_the_same_bytes() -> None:
    liked = some(Random(3))
    shuffled = list(liked)
    Random(4).shuffle(shuffled)
    said = Recommendations()
    catalogue = known(*{one.product_id for one in liked})
    one, other = (similarity.model(table(log_of(told), catalogue, Weights()), said) for told in (liked, shuffled))
    assert one == other


def test_sizes_of_one_thing_are_one_item_and_the_most_wanted_comes_first() -> None:
    catalogue = {name: Item(name, "Shoe", "g1", "shoes") for name in ("s41", "s42")} | {"sock": Item("sock", "Sock")}
    liked = [Liked("u", "s42", BOUGHT, 1), Liked("u", "sock", BOUGHT, 1), Liked("v", "s41", VIEWED, 2), Liked("v", "sock", VIEWED, 2)]
    model = decode(similarity.model(table(log_of(liked), catalogue, Weights()), Recommendations()))
    assert sorted(tuple(model.members(n)) for n in range(model.items)) == [("s42", "s41"), ("sock",)]


def test_content_is_alike_by_its_words_and_says_nothing_without_any() -> None:
    #
    texts = {"a": "red running shoe", "b": "blue running shoe", "c": "canvas tent", "d": ""}
    catalogue = {name: Item(name, text=text, name=f"{name}{name}") for name, text in texts.items()}
    model = decode(similarity.model(table(log_of([Liked("u", "a", VIEWED, 1)]), catalogue, Weights()), Recommendations()))
    items = {model.members(n)[0]: n for n in range(model.items)}
    assert [item for item, _ in model.near(CONTENT, items["a"])] == [items["b"]]
    assert model.near(CONTENT, items["c"]) == [] == model.near(CONTENT, items["d"])


def test_together_is_what_was_bought_on_one_day() -> None:
    #
    liked = [Liked(f"u{n}", name, BOUGHT, MONDAY) for n in range(3) for name in ("shoe", "sock")]
    liked += [Liked("u9", "shoe", BOUGHT, MONDAY), Liked("u9", "tent", BOUGHT, MONDAY + 3 * DAY), Liked("u8", "tent", VIEWED, MONDAY)]
    model = decode(similarity.model(table(log_of(liked), {}, Weights()), Recommendations()))
    items = {model.members(n)[0]: n for n in range(model.items)}
    assert [item for item, _ in model.near(TOGETHER, items["shoe"])] == [items["sock"]]


def test_tiers_are_thirds_of_the_prices_of_a_category() -> None:
    #
    catalogue = {f"p{n}": Item(f"p{n}", f"P{n}", category="c", price=n * 10_000) for n in range(1, 7)} | {"x": Item("x", "X", category="c")}
    learned = table(log_of([Liked("u", "p1", VIEWED, 1)]), catalogue, Weights())
    told = dict(zip([one.products[0] for one in learned.columns], similarity.tiers(learned.columns), strict=True))
    assert told == {"p1": 0, "p2": 0, "p3": 1, "p4": 1, "p5": 2, "p6": 2, "x": None}


def test_who_looks_at_everything_costs_no_more_than_so_many_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "MAX_PAIRS", 3)
    liked = [Liked("wholesaler", f"p{n}", BOUGHT if n < 3 else VIEWED, n) for n in range(50)]
    lists = similarity.cosine(table(log_of(liked), {}, Weights()).matrix, 10, 0.0)
    assert sum(map(bool, lists)) == 3


def test_nothing_to_learn_is_said() -> None:
    with pytest.raises(NothingToLearn, match="no product"):
        table(log_of([]), {}, Weights())
    with pytest.raises(NothingToLearn, match="one product"):
        similarity.model(table(log_of([Liked("u", "a", VIEWED, 1)]), {}, Weights()), Recommendations())


# --- judged ---------------------------------------------------------------------------------------------------------------------------


class Says:
    """A method that ranks as it is told."""

    name = "says"

    def __init__(self, order: list[str], columns: list[Any]) -> None:
        import numpy

        self._scores = numpy.array([-order.index(one.products[0]) for one in columns], dtype=float)

    def why_not(self, table: Any) -> str:
        return ""

    def fit(self, matrix: Any) -> None: ...

    def scores(self, rows: Any) -> Any:
        return [self._scores] * len(rows)

    def neighbours(self, k: int) -> None:
        return None


def test_metrics_of_a_hand_made_split() -> None:
    # 24 people had x and then turned to a, but four of them to c. Said: x (which they had), c, b, a.
    names = ["a", "b", "c", "x"]
    liked = [Liked(f"u{n:02}", "x", VIEWED, n) for n in range(24)]
    liked += [Liked(f"u{n:02}", "c" if n < 4 else "a", VIEWED, 1_000 + n) for n in range(24)] + [Liked("z", "b", VIEWED, 1)]
    split = last_out(log_of(liked), known(*names), Weights())
    assert len(split.rows) == 24 and split.table.matrix.nnz == 25
    found = judged(split, Says(["x", "c", "b", "a"], split.table.columns))
    assert found.hit_rate == 1.0
    assert found.ndcg == pytest.approx((4 * 1 / math.log2(2) + 20 * 1 / math.log2(4)) / 24)
    assert found.coverage == 1.0


def test_a_split_by_time_hides_the_first_new_thing_after_it() -> None:
    liked = [Liked(f"u{n}", "x", VIEWED, 100 + n) for n in range(30)]
    liked += [Liked(f"u{n}", "x", BOUGHT, 1_000) for n in range(30)]  # not new
    liked += [Liked(f"u{n}", "a", VIEWED, 2_000 + n) for n in range(25)] + [Liked(f"u{n}", "b", VIEWED, 3_000) for n in range(25)]
    liked += [Liked("late", "a", VIEWED, 5_000)]  # nothing was known of her
    split = split_after(log_of(liked), known("a", "b", "x"), Weights(), until=500)
    assert len(split.rows) == 25
    assert {split.table.columns[n].products[0] for n in split.hidden} == {"a"}


def test_what_can_be_learned_is_better_than_what_is_popular() -> None:
    # Two tastes that never meet: who had a's is to get a's.
    rng = Random(1)
    liked = []
    for n in range(200):
        side = "ab"[n % 2]
        for place, item in enumerate(rng.sample(range(20), 6)):
            liked.append(Liked(f"u{n}", f"{side}{item}", VIEWED, place))
    split = last_out(log_of(liked), {}, Weights())
    found = {one.name: one for one in tried(split, [Popularity(), Cosine(), Ease(), Als()])}
    assert not any(one.left_out for one in found.values())
    for name in ("cosine", "ease", "als"):
        assert found[name].hit_rate > 1.3 * found["popularity"].hit_rate, name


def test_the_best_is_by_ndcg_and_popularity_is_no_model() -> None:
    assert best([Trial("popularity", ndcg=0.9), Trial("cosine", ndcg=0.1), Trial("ease", ndcg=0.2)]) == "ease"
    assert best([Trial("popularity", ndcg=0.9), Trial("ease", left_out="too large")]) == "cosine"
    assert best([Trial("ease", ndcg=0.2), Trial("cosine", ndcg=0.2)]) == "cosine"


# --- kept current ---------------------------------------------------------------------------------------------------------------------


def view(product: str, at: int, kind: str = "product_view") -> Event:
    return Event(at, f"e{at}", kind, at, "p1", properties={"product_id": product})


def test_a_row_keeps_the_newest_likings_of_each_product_and_kind() -> None:
    tastes = Tastes()
    for n in range(MAX_LIKINGS + 10):
        tastes = after(tastes, view(f"p{n}", 1_000 + n))
    assert len(tastes.likings) == MAX_LIKINGS and tastes.likings[-1].product_id == f"p{MAX_LIKINGS + 9}"
    again = after(tastes, view("p30", 9_000))
    assert len(again.likings) == MAX_LIKINGS and again.likings[-1].product_id == "p30"
    assert after(again, view("p30", 9_000)) is again  # the same once more
    assert after(again, view("p30", 10, "search")) is again
    bought = after(again, view("p30", 9_500, "purchase"))
    assert [one.kind for one in bought.likings[-2:]] == [VIEWED, BOUGHT]


def test_the_program_keeps_rows_and_who_became_whom() -> None:
    program = RecommenderProgram()
    moment = Moment(0, 0, 500, {}, 0, 7)

    def step(group: Any, record: Any) -> Any:
        key, read = program.read(Arrived(encode(record)))
        return program.step(group if key else None, read, moment)[0]

    row = step(Tastes(), view("a", 5))
    assert row.likings[0].product_id == "a"
    assert step(row, MergeOut(6, "p1", "p2", "cause")).into == "p2"
    assert step(step(row, MergeOut(6, "p1", "p2", "cause")), Unlink(7, "p1", "cause")) == row
    assert step(row, Tick(8, 8, 500)) is None  # time concerns no row
    [(_, body)] = program.dump(row, None)
    assert program.load(b"p1", [body]) == row and program.dump(row, row) == []
    with pytest.raises(Refused):
        program.read(Arrived(b"x"))


def said(kind: str, at: int) -> Event:
    return Event(at, f"e{at}", kind, at, "p1", properties={"purposes": ["track"]})


def test_nothing_is_kept_of_who_does_not_want_to_be_tracked() -> None:
    row = after(Tastes(), view("a", 5))
    gone = after(row, said("consent_withdraw", 10))
    assert gone.likings == () and after(gone, view("b", 11)).likings == ()
    assert after(gone, said("consent_give", 10)) is gone and after(gone, said("consent_give", 9)) is gone
    back = after(after(gone, said("consent_give", 12)), view("b", 13))
    assert [one.product_id for one in likings("p1", back, False)] == ["b"]
    assert list(likings("p1", row, False)) == [] and len(list(likings("p1", row, True))) == 1  # silence, by the pack's rule


def test_nothing_of_a_file_is_learned_from_who_does_not_want_to_be_tracked(tmp_path: Path) -> None:
    lines = [
        {"event_id": f"e{n}", "event_type": kind, "customer_id": who, "timestamp": "2026-03-01T10:00:00Z", "properties": told}
        for n, (who, kind, told) in enumerate(
            [
                ("ann", "product_view", {"product_id": "a"}),
                ("bob", "product_view", {"product_id": "a"}),
                ("bob", "consent_withdraw", {"purposes": ["track"]}),
            ]
        )
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = from_file(tmp_path / "events.jsonl")
    found.settle(True)
    learned = table(found.log, found.known, Weights())
    assert learned.active == 1


def test_a_machine_likes_nothing() -> None:
    record = Event(1, "e", "product_view", 1, "p1", properties={"product_id": "a"}, bot=True)
    assert RecommenderProgram().read(Arrived(encode(record))) == (None, None)


def test_people_who_became_one_are_learned_from_as_one() -> None:
    log = log_of([Liked("old", "a", VIEWED, 1), Liked("new", "b", VIEWED, 2), Liked("other", "a", VIEWED, 3)])
    log.join({"old": "mid", "mid": "new", "round": "round"})
    learned = table(log, {}, Weights())
    rows = dict(zip(learned.people, learned.matrix.toarray().tolist(), strict=True))
    assert learned.active == 2 and rows["new"] == [1.0, 1.0] and rows["other"] == [1.0, 0.0] and rows["old"] == [0.0, 0.0]


# --- the commands ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of events and a catalogue: runners look at shoes and buy socks with them, campers look at tents."""
    folder = tmp_path_factory.mktemp("shop")
    rng, lines = Random(5), []
    for n in range(80):
        side = ("shoe", "tent")[n % 2]
        for place, item in enumerate(rng.sample(range(8), 4)):
            at = f"2026-03-{1 + n % 8 + (10 if place == 3 else 0):02}T10:{place:02}:00Z"
            told = {"product_id": f"{side}-{item}", "product_name": f"{side.title()} {item}", "category": side + "s", "price": 10 + item}
            lines.append(
                {"event_id": f"e{n}-{place}", "event_type": "product_view", "timestamp": at, "customer_id": f"c{n}", "properties": told}
            )
        if side == "shoe":
            products = [{"product_id": f"shoe-{rng.randrange(8)}"}, {"product_id": "socks"}]
            lines.append({"event_id": f"o{n}", "event_type": "purchase", "timestamp": at, "customer_id": f"c{n}",
                          "properties": {"order_id": f"o{n}", "products": products}})  # fmt: skip
    lines.sort(key=lambda one: one["timestamp"])
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    rows = [
        (f"{side}-{item}", f"{side.title()} {item}", side + "s", 10 + item, 0 if item == 7 else 5)
        for side in ("shoe", "tent")
        for item in range(8)
    ]
    rows.append(("socks", "Wool socks", "socks", 8, 5))
    text = "product_id,name,category,price,stock\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    (folder / "products.csv").write_text(text)
    return folder


def run(*arguments: Any) -> tuple[int, str]:
    result = CliRunner().invoke(kairos, [str(one) for one in arguments])
    code = (
        result.exit_code
        if result.exception is None or isinstance(result.exception, SystemExit)
        else getattr(result.exception, "exit_code", 99)
    )
    return code, result.output if result.exception is None or code != 99 else repr(result.exception)


def test_train_recommend_tells_how_good_each_method_is_and_writes_the_model(shop: Path) -> None:
    model, page = shop / "model", shop / "page.html"
    command = ("train", "recommend", "--from", shop / "events.jsonl", "--products", shop / "products.csv", "--out", model)
    code, output = run(*command, "--html", page, "--json")
    assert code == 0, output
    told = json.loads(output[output.index("{") :])
    methods = {one["name"]: one for one in told["methods"]}
    assert set(methods) == {"popularity", "cosine", "ease", "als", "hybrid"}
    assert all("hit_rate_10" in one for one in methods.values())
    assert told["chosen"] in ("cosine", "ease", "als") and told["model"]["items"] == 17 and told["model"]["people"] == 80
    assert "<h1>Recommendations</h1>" in page.read_text("utf-8")
    before = model.read_bytes()
    assert run(*command)[0] == 0 and model.read_bytes() == before  # the same input, the same bytes
    assert decode(before).method == told["chosen"]


def test_one_method_by_name_and_wrong_use(shop: Path) -> None:
    events = shop / "events.jsonl"
    code, output = run("train", "recommend", "--from", events, "--model", "cosine", "--train-until", "2026-03-10")
    assert code == 0 and "the first new item" in output and "model: cosine" in output
    code, output = run("train", "recommend", "--from", events, "--model", "popularity", "--out", shop / "popular")
    assert code == 0 and decode((shop / "popular").read_bytes()).near(COLLABORATIVE, 0) == []
    if importlib.util.find_spec("torch") is None:
        code, output = run("train", "recommend", "--from", events, "--model", "ncf")
        assert code == 2 and "pip install torch" in output
    assert run("train", "recommend", "--from", shop / "nowhere")[0] == 2
    (shop / "empty.jsonl").write_text("")
    assert run("train", "recommend", "--from", shop / "empty.jsonl")[0] == 1


def test_a_model_above_the_setting_is_not_made(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.agents import kinds

    monkeypatch.setattr(kinds, "too_large", lambda data, model_mb: "a model of 300.0 MB; KAIROS_MODEL_MB allows 256")
    out = shop / "too-large"
    code, _ = run("train", "recommend", "--from", shop / "events.jsonl", "--model", "cosine", "--out", out)
    assert code == 1 and not out.exists()


def test_a_file_that_is_no_model_is_said_to_be_none(shop: Path) -> None:
    rubbish = {"text": b"hello", "json": b"{}", "empty": b"", "short": b"\x91\x01", "deep": b"\x9a" + b"\x91" * 200_000}
    files = ("--events", shop / "events.jsonl", "--products", shop / "products.csv")
    for name, data in rubbish.items():
        path = shop / f"no-model-{name}"
        path.write_bytes(data)
        for command in (
            ("export", "recommendations", *files, "--model", path, "--out", shop / "no-feed.csv"),
            ("simulate", shop / "events.jsonl", "--products", shop / "products.csv", "--recommendations", path),
        ):
            code, output = run(*command)
            assert code == 2 and f"{path}: no model of recommendations: " in output and "Traceback" not in output
    assert not (shop / "no-feed.csv").exists()


def test_a_feed_for_other_systems(shop: Path) -> None:
    # three a person, in stock, not what she had.
    assert run("train", "recommend", "--from", shop / "events.jsonl", "--products", shop / "products.csv", "--out", shop / "model")[0] == 0
    files = ("--events", shop / "events.jsonl", "--products", shop / "products.csv", "--model", shop / "model")
    assert run("export", "recommendations", *files, "--out", shop / "feed.csv")[0] == 0
    rows = list(csv.DictReader((shop / "feed.csv").open()))
    assert len(rows) == 80 and rows[0].keys() >= {"person_id", "product_1_id", "product_3_url"}
    hers: dict[str, set[str]] = defaultdict(set)
    for line in (shop / "events.jsonl").read_text().splitlines():
        one = json.loads(line)
        lines = one["properties"].get("products", [one["properties"]])
        hers[one["customer_id"]] |= {product["product_id"] for product in lines}
    for row in rows:
        shown = [row[f"product_{n}_id"] for n in (1, 2, 3)]
        assert all(shown) and len(set(shown)) == 3
        assert not set(shown) & hers[row["person_id"]] and not any(one.endswith("-7") for one in shown)
    assert run("export", "recommendations", *files, "--format", "jsonl", "--n", 2, "--out", shop / "feed.jsonl")[0] == 0
    first = json.loads((shop / "feed.jsonl").read_text().splitlines()[0])
    assert len(first["recommendations"]) == 2 and first["recommendations"][0].keys() >= {"product_id", "name", "price"}
    assert run("export", "recommendations", "--events", shop / "events.jsonl", "--out", shop / "x")[0] == 2


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    from app.edges.feed import Fed, writer

    line = writer("csv", 1)(Fed("p", None, (Item("x", '=HYPERLINK("http://evil")'),))).decode()
    assert "'=HYPERLINK" in line


def test_learning_is_imported_by_no_worker() -> None:
    """Serving needs neither numpy nor scipy."""
    import subprocess
    import sys

    names = "('numpy', 'scipy', 'sklearn', 'torch', 'implicit')"
    code = f"import sys, app.agents.core, app.agents.insight; print([name for name in {names} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    assert found.stdout.strip() == "[]"


@pytest.mark.skipif(not GOOGLE.is_file(), reason="the Google shop is not here")
def test_a_real_shop_split_by_time_is_better_served_than_by_popularity() -> None:
    found = from_file(GOOGLE)
    split = split_after(found.log, found.known, Weights(), 1_475_798_400_000)  # 2016-10-07
    popular, cosine = tried(split, [Popularity(), Cosine()])
    assert len(split.rows) > 100 and cosine.ndcg > 1.2 * popular.ndcg and cosine.coverage > 0.5
