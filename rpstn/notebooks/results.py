"""The book's results as tables: everything comes from results/*.json, nothing is computed and nothing typed.

`rpstn publish` writes those files; scores that others report are in results/published.json (`rpstn.notebooks.published`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rpstn.errors import UserError
from rpstn.metrics.intervals import Interval
from rpstn.metrics.significance import Finding, judge
from rpstn.metrics.tables import markdown, percent, table
from rpstn.notebooks import CHECKOUT
from rpstn.notebooks.published import PAPER_JOINTS, PublishedRow
from rpstn.runs.files import read_json

RESULTS = CHECKOUT / "results"
OLD_MEASURE = "0.2 person"  # of hidden joints in files that do not say it
WITHDRAWN = (
    "These occluders lay around the hidden joints: without any network, the middle of the painted patch finds 100 % of single "
    "joints and about 95 % of limbs, and standing still finds more than 90 %. The rows say nothing about inference."
)


def load_results(folder: str | Path | None = None) -> dict[str, dict[str, Any]]:
    """Load the files of a folder that hold scores of runs (see `rpstn.notebooks.publish.publish`), by name.

    folder: the checkout's results/ if not given. Raises UserError where none is found.
    """
    folder = Path(folder or RESULTS)
    files = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"), key=lambda path: path.stem)}
    found = {
        name: content
        for name, content in files.items()
        if isinstance(content, dict) and {"rows", "gains", "measured_on", "manifest"} <= content.keys()
    }
    if not found:
        raise UserError(
            f"no scored run in {folder}; score finished runs with `rpstn publish`, or name the folder that holds some"
        )
    return found


def measured_on(result: Mapping[str, Any]) -> str:
    """Say what a result was measured on, in a line."""
    return "Measured on: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in result["measured_on"].items()) + "."


def joint_table(result: Mapping[str, Any], reference: str = "person", others: Sequence[PublishedRow] = ()) -> str:
    """Tabulate PCK@0.2 by type of joint and the mean, one row per variant; below them rows that others report, in italics.

    Ours are all annotated joints. Where a data set leaves joints out of its own mean, both means stand there.
    """
    parts = {title: scores[reference]["all"] for title, scores in result["rows"].items()}
    first = next(iter(parts.values()))
    return table(parts | {f"*{_called(row)}*": _as_part(row, first) for row in others})


def _called(row: PublishedRow) -> str:
    """Name a reported row as ours are named: with flip test, where it is one. Rows of one method differ in their joints."""
    return f"{row.method}{', flip test' if 'flip test' in row.note else ''}{f', {row.joints} joints' if row.joints else ''}"


def _as_part(row: PublishedRow, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a reported row into the form of our scores. Its mean goes under the number of joints that it is of."""
    scored = ours.get("joints_scored")
    return {
        "joint_types": {name: value / 100 for name, value in row.per_joint.items() if name in ours["joint_types"]},
        "mean": row.mean / 100 if row.joints == len(ours["joints"]) else None,
        "interval": (None, None),
        "joints": ours["joints"],
        **({"joints_scored": scored, "mean_scored": row.mean / 100 if row.joints == scored else None} if scored else {}),
    }


def hidden_table(result: Mapping[str, Any]) -> str:
    """Tabulate the PCK of joints hidden by each occluder: variants, rules without a network, and the full network's gains."""
    parts = result.get("hidden", {})
    titles = [title for title in result["rows"] if any(title in part["rows"] for part in parts.values())]
    rules = list(dict.fromkeys(rule for part in parts.values() for rule in part.get("rules", {})))

    def shares(part: Mapping[str, Any], kind: str, names: Sequence[str]) -> dict[str, str]:
        found = part.get(kind, {})
        return {name: percent(found[name]["estimate"]) if name in found else "" for name in names}

    return markdown(
        [
            {"joints hidden by": name, "joints": str(next(iter(part["rows"].values()))["samples"])}
            | shares(part, "rows", titles)
            | shares(part, "rules", rules)
            | {f"gain over {title}": gain(part["gains"][title]) if title in part["gains"] else "" for title in titles[1:]}
            for name, part in parts.items()
        ]
    )


def hidden_measure(result: Mapping[str, Any]) -> str:
    """Say by what measure a result's hidden joints are scored, and what is wrong with occluders of before.

    These lay around joints, so that the middle of the patch was a better guess than any network's.
    """
    parts = result.get("hidden", {})
    if not parts:
        return ""
    measures = {part.get("measure", OLD_MEASURE) for part in parts.values()}
    text = f"Joints hidden for 1 to 5 frames, `PCK` within {' or '.join(sorted(measures))}."
    if any("measure" not in part for name, part in parts.items() if name != "as it is"):
        text += f" **{WITHDRAWN}**"
    return text


def gains_of(result: Mapping[str, Any], other: str) -> dict[str, Mapping[str, Any]]:
    """Return what the full network gains over another variant, by where: all joints, then the hidden ones by what hides them.

    Gains behind occluders that lay around the joints are withdrawn (`hidden_measure`), and left out.
    """
    everywhere = {"all joints": result["gains"][other]} if other in result["gains"] else {}
    return everywhere | {
        "joints hidden as they are in the clips" if name == "as it is" else f"joints hidden by {name}": part["gains"][other]
        for name, part in result["hidden"].items()
        if other in part["gains"] and ("measure" in part or name == "as it is")
    }


def compared_with(result: Mapping[str, Any]) -> list[str]:
    """List the variants that a result has gains over; which baseline is the better one may differ between protocols."""
    return list(dict.fromkeys([*result["gains"], *(name for part in result["hidden"].values() for name in part["gains"])]))


def publication_findings(result: Mapping[str, Any]) -> dict[tuple[str, str], Finding]:
    """Judge all gains of a result together, by the other variant and where: p is adjusted for their number (Holm)."""
    parts = {(other, where): value for other in compared_with(result) for where, value in gains_of(result, other).items()}
    known = {place: _interval(value) for place, value in parts.items() if value["estimate"] is not None}
    names = {f"{other}: {where}": (other, where) for other, where in known}
    return {names[name]: found for name, found in judge({name: known[place] for name, place in names.items()}).items()}


def _interval(value: Mapping[str, Any]) -> Interval:
    low, high = (float("nan") if bound is None else bound for bound in value["interval"])
    return Interval(value["estimate"], low, high, value["groups"], value["samples"])


def weakest_group(result: Mapping[str, Any]) -> str:
    """Say in which group of clips the full network's PCK is lowest, by person size, and what it is in the others."""
    title, scores = next(iter(result.get("by_group", {}).items()), ("", {}))
    scores = {group: value for group, value in scores.items() if value is not None}  # None: no joint of it is annotated
    if len(scores) < 2:
        return ""
    least = min(scores, key=scores.__getitem__)
    others = [value for group, value in scores.items() if group != least]
    return (
        f"Of {len(scores)} groups, {title} has its lowest PCK in {least}: {100 * scores[least]:.1f} %. In the others it is "
        f"{100 * min(others):.1f} to {100 * max(others):.1f} %, {100 * sum(others) / len(others):.1f} % on average."
    )


def trained_otherwise(result: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    """Compare two trainings: the variants' means by person size, and the gain on joints that the unaltered clips hide."""
    means = [
        f"{title} {100 * scores['person']['all']['mean']:.1f} and {100 * again['rows'][title]['person']['all']['mean']:.1f}"
        for title, scores in result["rows"].items()
        if title in again["rows"]
    ]
    natural = [run["hidden"].get("as it is", {"gains": {}})["gains"] for run in (result, again)]
    gains = [
        f"{gain(value)} and {gain(natural[1][other])} over {other}" for other, value in natural[0].items() if other in natural[1]
    ]
    hidden = f" On joints hidden as they are in the clips, the full network gains {'; '.join(gains)}." if gains else ""
    return f"First the training above, then this one: {'; '.join(means)}.{hidden}"


def trainings_table(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Tabulate trainings on one data set, one row each: what the full network's encoder learned from, and its means.

    Where a data set leaves joints out of its own mean, the means are of those that count.
    """
    rows = []
    for name, run in runs.items():
        title, scores = next(iter(run["rows"].items()))
        encoder = run["trained"][title].get("encoder", run["trained"][title])["parameters"]
        row = {"run": name, "px": str(encoder["size"]), "encoder's batches": _learned(encoder)}
        row["window"] = str(run["measured_on"]["window"])
        for words, found in (("", scores), (", flip test", run["rows"].get(f"{title}, flip test"))):
            for reference in ("person", "torso"):
                part = found[reference]["all"] if found else {}
                row[f"{reference}{words}"] = percent(part.get("mean_scored", part.get("mean")))
        rows.append(row)
    return markdown(rows, words=("encoder's batches",))


def check_table(check: Mapping[str, Any]) -> str:
    """Tabulate an evaluation on a data set that the weights were not made for, by person size, and what it was measured on.

    check  evaluation: metrics.json of `rpstn evaluate`; manifest: that of the same folder; note: what a reader has to know.
    """
    found = check["evaluation"]
    counted = found["counted"]
    line = (
        f"Measured on: {found['dataset']}, {counted['clips']} people from {counted['groups']} groups, "
        f"{counted['visible_joints']} visible and {counted['occluded_joints']} occluded joints, boxes {found['boxes']}, weights "
        f"{Path(found['checkpoint']['name']).name}; {check['note']}."
    )
    return f"{table(found['scores']['person'])}\n\n{line}"


def prediction_table(quality: Mapping[str, Any]) -> str:
    """Tabulate PCK@0.2 by person size of `rpstn predict`, as `benchmarks/predict_quality.py` writes it."""
    titles = {"windows": "windows of 8 frames, one crop each", "given": "as a stream, boxes given", "auto": "as a stream, auto"}
    return table({title: quality["pck"][name] for name, title in titles.items()})


def others_table(rows: Sequence[PublishedRow]) -> str:
    """Tabulate scores that others report, each with what it was measured on and where it is printed."""
    return markdown(
        [
            {"method": row.method, "split": row.split, "score": f"`{row.metric}`", "by": row.reference}
            | {name: f"{row.per_joint[name]:.1f}" if name in row.per_joint else "" for name in PAPER_JOINTS}
            | {"mean": f"{row.mean:.1f}", "note": row.note, "source": row.source}
            for row in rows
        ],
        words=("split", "score", "by", "note", "source"),
    )


def how_made(result: Mapping[str, Any]) -> str:
    """Tabulate steps, frames per step, sizes and time of each training that led to a result, the earlier ones first."""
    runs: dict[str, Mapping[str, Any]] = {}
    for title, trained in result.get("trained", {}).items():
        for number, run in enumerate(trained.get("before", []), start=1):
            runs.setdefault(f"start {number}", run)
        for name in ("images", "encoder"):
            if name in trained:
                runs.setdefault(name, trained[name])
        runs[title] = trained
    rows = []
    for name, run in runs.items():
        settings, seconds = run["parameters"], run.get("seconds")
        rows.append(
            {
                "training": name,
                "data set": _learned(settings),
                "encoder": settings["encoder"],
                "steps": str(settings["steps"]),
                "frames per step": str(settings["batch"] * settings["frames"]),
                "px": str(settings["size"]),
                "minutes": "" if seconds is None else f"{seconds / 60:.0f}",
                "device": str(run.get("device", "")),
            }
        )
    return markdown(rows, words=("data set", "encoder", "device"))


def _learned(settings: Mapping[str, Any]) -> str:
    """Say what a training's batches came from. Older runs know of nothing but their data set."""
    if not settings.get("aux_dataset"):
        return settings["dataset"]
    part = settings["batch"] // settings["accumulate"]
    return f"{settings['dataset']}, {round(part * settings['aux_fraction'])} in {part} from {settings['aux_dataset']}"


def gain(value: Mapping[str, Any]) -> str:
    """Write a difference in points with its interval, signed; empty where nothing was to be counted."""
    if value["estimate"] is None:
        return ""
    low, high = value["interval"]
    bounds = "no interval" if low is None else f"{100 * low:.1f} to {100 * high:.1f}"
    return f"{100 * value['estimate']:+.1f} ({bounds})"
