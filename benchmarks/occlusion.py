"""Score networks, and rules that need none, on joints that an occluder hides in the clips of Sub-JHMDB.

    python -m benchmarks.occlusion --root JHMDB --checkpoints runs/split1-2021/*/best.safetensors
    python -m benchmarks.occlusion --root JHMDB --checkpoints A B --protocols limb --clips 4     # a quick look

One occluder in each clip, for twelve frames from frame 8 on, the same for every network (`rpstn.occlusion.protocols`). Joints are
counted by frames hidden (1-5, 6-8, 9-12) and by their speed, within 0.1 and 0.2 of the person and 0.2 of the torso; joints that
stay visible are counted as well. Beside each network stand its own pose held, carried on with its velocity and filtered
(one-euro, Kalman), over joints that the labels call visible and over those it is confident of; and the same frames without the
occluder. Beside all of them: the middle of the patch, the nearest other joint, the mean of the others, and the true position
held or carried on.

Written to results/occlusion.json after each network and protocol, with the counts of each group, from which intervals over groups
and seeds follow (`rpstn.occlusion.study`). What is in the file is not computed again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.sources import checksums
from rpstn.errors import UserError
from rpstn.evaluate.inference import check_checkpoint, predict_clips
from rpstn.metrics.hidden import MEASURES
from rpstn.metrics.tables import aligned, markdown, percent
from rpstn.models import load_checkpoint
from rpstn.models.manifests import manifest_of, without_folders
from rpstn.occlusion.baselines import check_protocol, middle_and_chance
from rpstn.occlusion.protocols import PROTOCOLS, Protocol
from rpstn.occlusion.study import (
    count_rows,
    counts_gain,
    counts_interval,
    first_frames,
    network_rows,
    packed,
    rule_rows,
    share,
    unpacked,
)
from rpstn.runs.directory import clean_commit, manifest
from rpstn.runs.files import plain, read_json, write_json
from rpstn.runs.memory import keep_memory

SHOWN = ("network", "hold", "Kalman", "hold, confident", "unoccluded")  # rows of the terminal's table
CONCLUSIVE = ("0.1 person", "0.2 torso")  # measures by which no protocol may give joints away


@dataclass(frozen=True)
class Occlusion:
    """What to score, and on what."""

    root: Path  # folder of Sub-JHMDB
    checkpoints: tuple[Path, ...]  # named by their two folders: split1-2021/gated
    fold: int = 1
    split: str = "test"
    protocols: tuple[str, ...] = tuple(PROTOCOLS)
    attached: str = "body"  # body: the occluder follows the person; image: it stays
    start: int = 8  # frame in which it appears
    length: int = 12  # frames for which it stays
    clips: int = 0  # evenly taken from the split; 0: all
    refine: str = "dark"  # refinement within a heatmap pixel, as for rpstn evaluate
    batch: int = 2  # clips at once
    seed: int = 2021  # of the occluders
    out: Path = Path("results/occlusion.json")


def name_of(checkpoint: Path) -> str:
    """Name a checkpoint by the two folders that it lies in."""
    return "/".join(checkpoint.resolve().parts[-3:-1])


def settings_of(config: Occlusion, dataset: ClipDataset) -> dict[str, Any]:
    """List what all scores in a file share."""
    names = ("fold", "split", "attached", "start", "length", "refine", "seed")
    protocol = Protocol("limb", config.attached, config.start, config.length, seed=config.seed)
    own = {name: getattr(protocol, name) for name in ("free", "margin", "texture")}
    return {"dataset": dataset.name, **{name: getattr(config, name) for name in names}, **own, "clips": len(dataset)}


def opened(config: Occlusion) -> ClipDataset:
    """Open the first frames of the clips that are long enough."""
    dataset = first_frames(open_dataset("sub_jhmdb", config.root, config.split, fold=config.fold), config.start + config.length)
    if config.clips and config.clips < len(dataset):
        places = np.linspace(0, len(dataset) - 1, config.clips).round().astype(int)
        dataset = replace(dataset, clips=tuple(dataset[int(place)] for place in places))
    return dataset


def started(config: Occlusion, dataset: ClipDataset) -> dict[str, Any]:
    """Read the results so far, or begin them. Raises UserError where the file holds scores of other settings."""
    settings = plain(settings_of(config, dataset))
    if not config.out.is_file():
        return {
            "settings": settings,
            "classes": sorted({clip.action for clip in dataset}),
            "groups": sorted({clip.group for clip in dataset}),
            "guesses": {},
            "rules": {},
            "networks": {},
        }
    results: dict[str, Any] = read_json(config.out)
    different = [name for name, value in settings.items() if results["settings"].get(name) != value]
    if different:
        raise UserError(f"{config.out} holds scores of other settings ({', '.join(different)}); choose another --out")
    return results


class Study:
    """What is scored, and what has been so far; written after each step."""

    def __init__(self, config: Occlusion) -> None:
        self.config, self.begun = config, time.monotonic()
        self.dataset = opened(config)
        self.results = started(config, self.dataset)
        self.occluded = {
            name: Protocol(name, config.attached, config.start, config.length, seed=config.seed).hide(self.dataset)
            for name in config.protocols
        }

    def write(self) -> None:
        config = replace(self.config, root=Path(self.config.root.name), checkpoints=tuple(map(Path, self.results["networks"])))
        made = manifest(config, device=torch.device("cpu"), data=checksums(self.dataset), seconds=time.monotonic() - self.begun)
        write_json(self.config.out, plain({**self.results, "manifest": made}))

    def rules(self) -> None:
        """Score what needs no network, and the two guesses that say whether a protocol gives joints away."""
        for name, occluded in self.occluded.items():
            if name not in self.results["rules"]:
                self.results["rules"][name] = packed(count_rows(occluded, rule_rows(occluded)), self.results["groups"])
                self.results["guesses"][name] = {
                    measure: dict(zip(("middle", "chance"), guess(occluded, **MEASURES[measure]), strict=True))
                    for measure in MEASURES
                    for guess in [check_protocol if measure in CONCLUSIVE else middle_and_chance]
                }
                self.write()

    def network(self, checkpoint: Path) -> None:
        """Score a network under every protocol that it has not been scored under."""
        found = self.results["networks"].setdefault(
            name_of(checkpoint), {"trained": without_folders(manifest_of(checkpoint) or {}), "protocols": {}}
        )
        left = [name for name in self.occluded if name not in found["protocols"]]
        if not left:
            return
        model, metadata = load_checkpoint(checkpoint)
        check_checkpoint(metadata, self.dataset, checkpoint)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it

        def predicted(dataset: ClipDataset) -> Any:
            return predict_clips(model, metadata, dataset, 0, batch=self.config.batch, refine=self.config.refine)

        clear = predicted(self.dataset)
        for name in left:
            rows = network_rows(self.occluded[name], predicted(self.occluded[name]), clear)
            found["protocols"][name] = packed(count_rows(self.occluded[name], rows), self.results["groups"])
            self.write()


def shown(results: dict[str, Any], protocol: str, measure: str, part: str = "1-5") -> str:
    """Tabulate one protocol by one measure: rules, then each network, its gain over its own pose held, and its other rows."""
    lines = []
    for rule, found in unpacked(results["rules"][protocol], results["groups"]).items():
        lines.append({"": rule, "found": counts_interval(found[measure].get(part, {})).brief(), "over hold": ""})
    for name, network in results["networks"].items():
        if protocol not in network["protocols"]:
            continue
        rows = unpacked(network["protocols"][protocol], results["groups"])
        for row in SHOWN:
            counts = rows[row][measure].get(part, {})
            gain = counts_gain(counts, rows["hold"][measure].get(part, {})).brief(signed=True) if row == "network" else ""
            lines.append({"": f"{name}: {row}", "found": counts_interval(counts).brief(), "over hold": gain})
        visible = [percent(share(rows[row][measure].get("visible", {}))) for row in ("network", "unoccluded")]
        lines.append({"": f"{name}: visible joints, unoccluded", "found": " / ".join(visible), "over hold": ""})
    return f"{protocol}, hidden {part} frames, {measure}\n{aligned(markdown(lines))}"


def main() -> None:
    """Score rules, then networks, and print what was found."""
    keep_memory()
    config = tyro.cli(Occlusion, description=__doc__)
    clean_commit()
    study = Study(config)
    study.rules()
    for checkpoint in study.config.checkpoints:
        study.network(checkpoint)
        print(f"{name_of(checkpoint)}: done", flush=True)
    for protocol in study.config.protocols:
        for measure in CONCLUSIVE:
            print(shown(study.results, protocol, measure), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
