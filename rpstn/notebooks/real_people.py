"""What `benchmarks/real_people.py` wrote, of all splits and seeds together: PCK with intervals, gains, exchanged sides.

A group (a video) is in the test part of up to three splits, and a seed has one training in each. So groups and seeds are crossed,
and a score is the mean over splits of PCK: splits take the place that joints have in `rpstn.metrics.crossed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpstn.errors import UserError
from rpstn.metrics.crossed import crossed_interval
from rpstn.metrics.intervals import Interval
from rpstn.metrics.significance import Finding, judge
from rpstn.metrics.tables import percent
from rpstn.train.recipes import TITLES as VARIANT_TITLES

MEASURES = ("person 0.2", "torso 0.2")
# What is gained over: the stronger of these, by the measure that the gain is of.
BASELINES = ("encoder", "frame_by_frame", "movenet_thunder")
TITLES = {
    "movenet_thunder": "MoveNet Thunder, never trained on these clips",
    **{name: VARIANT_TITLES[name] for name in ("encoder", "frame_by_frame", "rpstn", "concat")},
    **{name: VARIANT_TITLES[name] for name in ("without_propagation", "without_relation")},
    "gated": "RPSTN with a gate",
    "gated_without_relation": "with a gate, without relation",
    "gate_alone": "gate alone",
}


@dataclass(frozen=True)
class NetworkScores:
    """One network, over splits and seeds.

    seeds      those with all splits; empty for a network that was not trained.
    scores     by measure ("torso 0.2"), PCK pooled over 13 joints, averaged over splits and seeds.
    by_seed    by measure, the score of each seed, for a network that was trained.
    better     by measure, the name of the stronger baseline; this network's gain over it: gains.
    exchanged  share of frames in which some pair of left and right joints fits better exchanged.
    """

    seeds: tuple[int, ...]
    scores: Mapping[str, Interval]
    by_seed: Mapping[str, Mapping[int, float]]
    better: Mapping[str, str]
    gains: Mapping[str, Interval]
    exchanged: float


@dataclass(frozen=True)
class RealScores:
    """All networks that were scored one way.

    split, way  "test" or "val", and how it was scored, such as "window 8, dark".
    folds       the splits of Sub-JHMDB.
    classes     that the clips have.
    networks    by name, in the order of TITLES.
    left_out    "network, seed" of trainings that some split lacks.
    """

    split: str
    way: str
    folds: tuple[int, ...]
    classes: tuple[str, ...]
    networks: Mapping[str, NetworkScores]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """The key of a score: "test 1 2021 rpstn window 8", or "test 1 movenet_thunder" for what was not trained."""

    split: str
    fold: int
    seed: int | None
    network: str
    way: str | None

    @classmethod
    def of(cls, key: str) -> _Entry:
        parts = key.split(" ", 4)
        try:
            if len(parts) == 3:
                return cls(parts[0], int(parts[1]), None, parts[2], None)
            split, fold, seed, network, way = parts
            return cls(split, int(fold), int(seed), network, way)
        except ValueError as error:
            raise UserError(f"{key!r} is no score of benchmarks/real_people.py; make the file again") from error


def summarize(content: Mapping[str, Any], *, split: str = "test", way: str = "window 8, dark") -> RealScores:
    """Summarize the scores of one way, over all splits and seeds, with intervals over groups and seeds together.

    content  of results/real_people.json. A training counts where all splits of the file have its network and seed.
    Raises UserError where nothing was scored this way.
    """
    entries = {_Entry.of(key): score for key, score in content["scores"].items()}
    entries = {entry: score for entry, score in entries.items() if entry.split == split and entry.way in (None, way)}
    if not any(entry.way for entry in entries):
        raise UserError(f"nothing was scored on {split} by {way!r}; run benchmarks/real_people.py with this split and way")
    folds = tuple(sorted({entry.fold for entry in entries}))
    trained = {(entry.network, entry.seed) for entry in entries}
    whole = {key for key in trained if all(_find(entries, *key, fold) for fold in folds)}
    groups = _groups(entries.values())
    tables = {
        name: _Table.of(entries, name, [seed for network, seed in _sorted(whole) if network == name], folds, groups)
        for name in TITLES
        if any(network == name for network, _ in whole)
    }
    return RealScores(
        split,
        way,
        folds,
        tuple(content.get("classes", ())),
        {name: _network(name, tables) for name in tables},
        tuple(f"{network}, seed {seed}" for network, seed in _sorted(trained - whole)),
    )


def _sorted(keys: set[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    return sorted(keys, key=lambda key: (key[0], key[1] or 0))


def _find(entries: Mapping[_Entry, Any], network: str, seed: int | None, fold: int) -> Any:
    return next((score for key, score in entries.items() if (key.network, key.seed, key.fold) == (network, seed, fold)), None)


def _groups(scores: Any) -> list[str]:
    return sorted({name for score in scores for name in score[MEASURES[0]]["groups"]})


@dataclass(frozen=True)
class _Table:
    """Correct samples (R,G,S) and all (G,S) of R seeds, G groups, S splits by measure; None among seeds: not trained."""

    seeds: tuple[int | None, ...]
    hits: Mapping[str, np.ndarray]
    counts: Mapping[str, np.ndarray]
    exchanged: float

    @classmethod
    def of(
        cls, entries: Mapping[_Entry, Any], name: str, seeds: Sequence[int | None], folds: Sequence[int], groups: Sequence[str]
    ) -> _Table:
        found = [[_find(entries, name, seed, fold) for fold in folds] for seed in seeds]
        hits, counts = {}, {}
        for measure in MEASURES:
            known = np.array(
                [[[score[measure]["groups"].get(group, (0, 0)) for group in groups] for score in row] for row in found], float
            )  # (R,S,G,2)
            if not (known[..., 1] == known[:1, ..., 1]).all():
                raise UserError(f"seeds of {name} were scored on different clips; make results/real_people.json again")
            hits[measure], counts[measure] = known[..., 0].swapaxes(1, 2), known[0, ..., 1].T
        return cls(tuple(seeds), hits, counts, float(np.mean([score["exchanged"] for row in found for score in row])))

    def against(self, other: _Table, measure: str) -> Interval:
        """Return the gain over another network, paired by group and by the seeds that both have; all where one has none."""
        shared = [seed for seed in self.seeds if seed in other.seeds or None in other.seeds]
        if not shared:
            return Interval(np.nan, np.nan, np.nan, 0, 0, seeds=0)
        if not np.array_equal(self.counts[measure], other.counts[measure]):
            raise UserError("two networks were scored on different clips; make results/real_people.json again")
        ours = self.hits[measure][[self.seeds.index(seed) for seed in shared]]
        theirs = other.hits[measure][[0 if None in other.seeds else other.seeds.index(seed) for seed in shared]]
        return crossed_interval(ours, self.counts[measure], theirs)


def _network(name: str, tables: Mapping[str, _Table]) -> NetworkScores:
    own = tables[name]
    seeds = tuple(seed for seed in own.seeds if seed is not None)
    scores = {measure: crossed_interval(own.hits[measure], own.counts[measure]) for measure in MEASURES}
    by_seed = {
        measure: {seed: _mean(own.hits[measure][row : row + 1], own.counts[measure]) for row, seed in enumerate(seeds)}
        for measure in MEASURES
    }
    baselines = [part for part in BASELINES if part in tables and name not in BASELINES]
    means = {
        (measure, part): _mean(tables[part].hits[measure], tables[part].counts[measure])
        for measure in MEASURES
        for part in baselines
    }
    better = {measure: max(baselines, key=lambda part: means[measure, part]) for measure in MEASURES if baselines}
    gains = {measure: own.against(tables[part], measure) for measure, part in better.items()}
    return NetworkScores(seeds, scores, by_seed, better, gains, own.exchanged)


def _mean(hits: np.ndarray, counts: np.ndarray) -> float:
    """Average PCK over splits and seeds, of hits (R,G,S) and counts (G,S)."""
    return float((hits.sum(axis=1) / counts.sum(axis=0)).mean())


def findings(scores: RealScores) -> dict[tuple[str, str], Finding]:
    """Judge all gains together, by network and measure: p is adjusted for their number (Holm)."""
    items = {
        f"{name} {measure}": ((name, measure), gain)
        for name, network in scores.networks.items()
        for measure, gain in network.gains.items()
        if gain.samples
    }
    return {items[key][0]: found for key, found in judge({key: gain for key, (_, gain) in items.items()}).items()}


def score_rows(scores: RealScores) -> list[dict[str, str]]:
    """Make one row per network, in percent: PCK by person and torso with intervals, gains, exchanged sides, seeds."""
    rows = []
    for name, network in scores.networks.items():
        row = {"": TITLES[name], "seeds": str(len(network.seeds) or "")}
        for measure in MEASURES:
            row[measure.replace(" ", " size, ")] = network.scores[measure].brief()
            gain = network.gains.get(measure)
            row[f"gain, {measure.split()[0]}"] = "" if gain is None else gain.brief(signed=True)
        rows.append(row | {"exchanged sides": percent(network.exchanged)})
    return rows
