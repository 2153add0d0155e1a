"""Neural collaborative filtering as guide S0 draws it, in PyTorch instead of TensorFlow (A-159); compared on the same split.

Embeddings of 64 for people and items, concatenated, Dense 128 ReLU → 64 ReLU → 1 sigmoid. Learned from what people like against four
items each that they have not touched (He et al. 2017).
"""

from __future__ import annotations

from typing import Any

from app.agents.similarity import Lists
from app.agents.table import NotInstalled, Table, libraries
from app.edges.rankers import FACTORS, SEED, by_vectors

HIDDEN = (128, 64)
NEGATIVES = 4
EPOCHS = 12
BATCH = 4_096
RATE = 1e-3
DECAY = 1e-6
MAX_LIKINGS = 5_000_000
"""Likings it is taught on one machine without a graphics card in an hour or so; beyond it is left out."""


class Ncf:
    """Needs PyTorch, which no extra brings: `pip install torch` is some gigabytes where it comes with CUDA."""

    name = "ncf"

    def why_not(self, table: Table) -> str:
        found = int(table.matrix.nnz)
        return f"{found:,} likings; it takes at most {MAX_LIKINGS:,}" if found > MAX_LIKINGS else ""

    def fit(self, matrix: Any) -> None:
        try:
            import torch
        except ImportError as error:
            raise NotInstalled("ncf needs PyTorch: pip install torch") from error
        numpy, _ = libraries()
        self._torch, self._numpy, self._items = torch, numpy, matrix.shape[1]
        torch.manual_seed(SEED)
        random = numpy.random.RandomState(SEED)
        people, items = (torch.from_numpy(one.astype("int64")) for one in matrix.nonzero())
        self._person = torch.nn.Embedding(matrix.shape[0], FACTORS)
        self._item = torch.nn.Embedding(matrix.shape[1], FACTORS)
        self._layers = torch.nn.Sequential(
            torch.nn.Linear(2 * FACTORS, HIDDEN[0]),
            torch.nn.ReLU(),
            torch.nn.Linear(HIDDEN[0], HIDDEN[1]),
            torch.nn.ReLU(),
            torch.nn.Linear(HIDDEN[1], 1),
        )
        for table in (self._person, self._item):
            torch.nn.init.normal_(table.weight, std=0.01)
        parameters = [*self._person.parameters(), *self._item.parameters(), *self._layers.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=RATE, weight_decay=DECAY)
        loss_of = torch.nn.BCEWithLogitsLoss()  # the sigmoid is in the loss
        for _ in range(EPOCHS):
            # Now and then a drawn item is one she likes: with thousands of items that is noise.
            drawn = torch.from_numpy(random.randint(0, matrix.shape[1], NEGATIVES * len(people)))
            who = torch.cat([people, people.repeat_interleave(NEGATIVES)])
            what = torch.cat([items, drawn])
            likes = torch.cat([torch.ones(len(people)), torch.zeros(len(drawn))])
            order = torch.from_numpy(random.permutation(len(who)))
            for begin in range(0, len(order), BATCH):
                some = order[begin : begin + BATCH]
                optimizer.zero_grad()
                loss_of(self._logits(who[some], what[some]), likes[some]).backward()
                optimizer.step()

    def _logits(self, people: Any, items: Any) -> Any:
        return self._layers(self._torch.cat([self._person(people), self._item(items)], dim=1)).squeeze(1)

    def scores(self, rows: Any) -> Any:
        torch = self._torch
        items = torch.arange(self._items)
        found = self._numpy.empty((len(rows), self._items))
        with torch.no_grad():
            for place, row in enumerate(rows):
                found[place] = torch.sigmoid(self._logits(torch.full((self._items,), int(row)), items)).numpy()
        return found

    def neighbours(self, k: int) -> Lists | None:
        return by_vectors(self._numpy, self._item.weight.detach().numpy().astype("float64"), k)
