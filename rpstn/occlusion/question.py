"""Ask the one question of this book in one way: how many of the joints hidden for 1 to 5 frames are found.

Chapters 05 and 08 and `rpstn publish` call `ask`, so that what they print can be compared. (`benchmarks/occlusion.py` asks it of
the joints alone that a data set scores, by `rpstn.occlusion.study`.) Networks stand beside rules that need none
(`rpstn.occlusion.baselines`). Conclusions are drawn by 0.2 of the torso.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.metrics.hidden import ASKED_BINS, MEASURES, hidden_curve, hidden_gain
from rpstn.metrics.intervals import Interval
from rpstn.occlusion.baselines import RULES, rule_predictions

ASKED_MEASURE = next(iter(MEASURES))


@dataclass(frozen=True)
class Answer:
    """Hold what was found of the hidden joints.

    by     "occluder": of those that one hides; "anything": of those that are hidden in the clips as they are.
    rows   by network or rule, then by measure (`rpstn.metrics.hidden.MEASURES`): the share that it finds.
    rules  names of the rows that are no networks.
    gains  by each other network: what the first one finds more, by `ASKED_MEASURE`, paired over groups.
    """

    by: str
    rows: dict[str, dict[str, Interval]]
    rules: tuple[str, ...]
    gains: dict[str, Interval]


def ask(dataset: ClipDataset, predictions: Mapping[str, Predictions], *, seed: int = 0) -> Answer:
    """Score networks, and rules, on joints hidden for 1 to 5 frames.

    dataset      with occluders (`rpstn.occlusion.Protocol.hide`): joints that these hide are asked for. Without any: joints that
                 are hidden as they are.
    predictions  by network, the first is compared with the others.
    Raises UserError for predictions of other clips, ValueError for networks with windows of different lengths.
    """
    by = "occluder" if all(clip.truth.occlusion is not None for clip in dataset) else "anything"
    rules = {name: rule for name, rule in RULES.items() if by == "occluder" or name != "middle of the patch"}
    window = next(iter(predictions.values())).window
    everything = dict(predictions) | rule_predictions(dataset, rules, window)
    rows = {
        name: {
            measure: hidden_curve(found, dataset, ASKED_BINS, by=by, seed=seed, **settings).intervals[0]
            for measure, settings in MEASURES.items()
        }
        for name, found in everything.items()
    }
    first = next(iter(predictions.values()))
    gains = {
        name: hidden_gain(first, other, dataset, ASKED_BINS, by=by, seed=seed).intervals[0]
        for name, other in islice(predictions.items(), 1, None)
    }
    return Answer(by, rows, tuple(rules), gains)
