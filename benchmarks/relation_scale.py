"""What each `relation_scale` does to the relation: at the start, and after training. Writes results/relation_scale.json.

    python -m benchmarks.relation_scale --init CHECKPOINT [--root DATA] [--steps N]

Every scale starts from the same encoder and makes the same steps on the same single frames. Measured on the test split.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from rpstn import open_dataset, relations
from rpstn.datasets.sources import checksums
from rpstn.evaluate.inference import predict_clips
from rpstn.heatmaps import target_statistics
from rpstn.metrics.keypoints import summarize
from rpstn.metrics.scores import samples
from rpstn.models import RPSTN, load_checkpoint, start_from
from rpstn.models.relation import SCALES
from rpstn.relations import ideal_relations, off_diagonal_mass
from rpstn.runs import manifest, write_json
from rpstn.runs.directory import clean_commit
from rpstn.train import TrainConfig, train


@dataclass(frozen=True)
class Study:
    """The study's settings."""

    init: str  # checkpoint that every scale starts from, trained frame by frame
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/embedded, else data/embedded
    dataset: str = "embedded"
    steps: int = 600
    batch: int = 40  # single frames a step
    lr: float = 1.5e-3
    window: int = 8
    runs: str = "runs/relation_scale"  # where the runs go
    out: Path = Path("results/relation_scale.json")


def study(config: Study) -> dict[str, Any]:
    """Off-diagonal mass and entropy of every scale, for ideal heatmaps, at the start and after training."""
    test = open_dataset(config.dataset, config.root, split="test")
    rows: dict[str, dict[str, Any]] = {}
    for scale in SCALES:
        plan = TrainConfig.of(
            dataset=config.dataset, root=config.root, init=config.init, out=f"{config.runs}/{scale}", propagation="none",
            relation_scale=scale, frames=1, batch=config.batch, steps=config.steps, lr=config.lr,
        )  # fmt: skip
        start = RPSTN(plan.model_config(test))
        metadata = load_checkpoint(config.init)[1]
        start.expect_targets(*target_statistics(metadata["sigma"], metadata["size"] // 4))
        start_from(start, config.init, fold=test.fold)
        trained, _ = load_checkpoint(train(plan).checkpoint)
        rows[scale] = {"ideal heatmaps": _measures(ideal_relations(test, metadata, scale=scale).matrices)}
        for name, model in (("start", start.eval()), ("trained", trained)):
            predictions = predict_clips(model, metadata, test, config.window, progress=False)
            matrices = relations.collect(predictions, test).matrices
            score = summarize(samples(predictions, test, reference="person").correct).mean
            rows[scale][name] = {**_measures(matrices), "pck": float(score)}
        if trained.relation.log_scale is not None:
            rows[scale]["trained"]["factor"] = float(trained.relation.log_scale.detach().exp())
        print(scale, rows[scale], flush=True)
    measured = {"data_set": config.dataset, "split": "test", "clips": len(test), "steps": config.steps}
    content = {"rows": rows, "measured_on": measured, "manifest": manifest(config, data=checksums(test))}
    write_json(config.out, content)
    return content


def _measures(matrices) -> dict[str, float]:
    return {
        "off_diagonal_mass": float(off_diagonal_mass(matrices).mean()),
        "entropy": float(relations.entropy(matrices).mean()),
        "matrices": len(matrices),
    }


if __name__ == "__main__":
    config = tyro.cli(Study)
    clean_commit()
    study(config)
