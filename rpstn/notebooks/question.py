"""The same question, all measurements: what finds joints hidden for 1 to 5 frames, in every results file that asks it.

Chapters 05 and 08, `rpstn publish` and `benchmarks/occlusion.py` ask it by one function (`rpstn.occlusion.question`). Here
their files, and the ablations' score of all occluded joints, are put side by side, one line for each comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rpstn.metrics.intervals import Interval
from rpstn.metrics.tables import markdown
from rpstn.notebooks.ablation_report import loss_interval
from rpstn.notebooks.ablation_results import read_studies
from rpstn.notebooks.results import OLD_MEASURE, RESULTS, gain
from rpstn.occlusion.question import ASKED_MEASURE
from rpstn.occlusion.study import counts_gain, unpacked
from rpstn.runs.files import read_json

BASELINES = ("frame_by_frame", "encoder")  # with which the runs of a split and seed are compared: the first that is there
PARTS = ("cat", "without_p", "without_jre", "frame_by_frame")  # of the ablations: what the network is without a part
OLD = "patches around the joints (withdrawn)"
_WORDS = ("hidden by", "occluders", "data set", "measure", "compared", "trainings", "file")


def same_question(folder: str | Path | None = None) -> list[dict[str, str]]:
    """List every comparison on hidden joints in a folder's results files; those behind withdrawn occluders last.

    Files of other things are passed over. folder: the checkout's results/ if not given.
    """
    rows: list[dict[str, str]] = []
    for path in sorted(Path(folder or RESULTS).glob("*.json")):
        content = read_json(path)
        if not isinstance(content, dict):
            continue
        if {"rows", "gains", "hidden"} <= content.keys():
            rows += _published(path.stem, content)
        elif {"groups", "rules", "networks"} <= content.keys():
            rows += _studied(path.stem, content)
        elif path.stem == "ablations":
            rows += _ablated(path)
    return sorted(rows, key=lambda row: row["occluders"] == OLD)


def same_question_table(folder: str | Path | None = None) -> str:
    """Write `same_question` as a Markdown table; a sentence where no file asks it."""
    rows = same_question(folder)
    return markdown(rows, words=_WORDS) if rows else "No results file asks about hidden joints yet."


def _row(**cells: str) -> dict[str, str]:
    return {name.replace("_", " "): value for name, value in cells.items()}


def _published(file: str, result: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    first = next(iter(result["rows"]))
    for name, part in result["hidden"].items():
        made, natural = part.get("protocol"), name == "as it is"
        occluders = "none" if natural else OLD if made is None else f"{made['attached']}, {made['texture']}"
        for other, value in part["gains"].items():
            if value["estimate"] is None:
                continue
            yield _row(
                hidden_by="the clips as they are" if natural else name,
                occluders=occluders,
                data_set=result["measured_on"]["data_set"],
                measure=part.get("measure", OLD_MEASURE),
                compared=f"{first} - {other}",
                gain=gain(value),
                joints=str(value["samples"]),
                groups=str(value["groups"]),
                trainings="one each",
                file=file,
            )


def _studied(file: str, study: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Compare every network with its baseline, and with its own pose held, by the one measure."""
    settings, groups = study["settings"], study["groups"]
    networks = {
        name: {protocol: unpacked(part, groups) for protocol, part in network["protocols"].items()}
        for name, network in study["networks"].items()
    }
    for name, protocols in networks.items():
        folder, _, own = name.rpartition("/")
        baseline = next((f"{folder}/{other}" for other in BASELINES if f"{folder}/{other}" in networks and other != own), None)
        for protocol, rows in protocols.items():
            ours = rows["network"][ASKED_MEASURE].get("1-5", {})
            others = {"its own pose held": rows["hold"]}
            if baseline and own not in BASELINES and protocol in networks[baseline]:
                others[baseline.rpartition("/")[2]] = networks[baseline][protocol]["network"]
            for other, counts in others.items():
                found = counts_gain(ours, counts[ASKED_MEASURE].get("1-5", {}))
                yield _row(
                    hidden_by=protocol,
                    occluders=f"{settings['attached']}, {settings['texture']}",
                    data_set=f"{settings['dataset']}, {settings['split']} {settings['fold']}",
                    measure=ASKED_MEASURE,
                    compared=f"{own} - {other}",
                    gain=found.brief(signed=True),
                    joints=str(found.samples),
                    groups=str(found.groups),
                    trainings=folder,
                    file=file,
                )


def _ablated(path: Path) -> Iterator[dict[str, str]]:
    """Give what the full network finds more of all occluded joints, however long they are hidden."""
    for name, study in read_studies(path).items():
        for run, row in study["rows"].items():
            if run not in PARTS:
                continue
            found: Interval | None = loss_interval(study, run, "torso", "occluded")
            if found is not None and found.samples:
                yield _row(
                    hidden_by="the clips as they are, however long",
                    occluders="none",
                    data_set=study["measured_on"]["data_set"],
                    measure=ASKED_MEASURE,
                    compared=f"full - {row['title']}",
                    gain=found.brief(signed=True),
                    joints=str(found.samples),
                    groups=str(found.groups),
                    trainings=f"{len(row['seeds'])} each",
                    file=f"{path.stem}, {name}",
                )
