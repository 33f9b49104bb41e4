"""The published results as tables: everything comes from results/*.json, nothing is computed and nothing typed.

`rpstn publish` writes those files; figures of others are in results/published.json (`rpstn.published`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rpstn.errors import UserError
from rpstn.published import PAPER_JOINTS, PublishedRow
from rpstn.runs import read_json

RESULTS = Path(__file__).resolve().parents[1] / "results"


def load_results(folder: str | Path | None = None) -> dict[str, dict[str, Any]]:
    """By name, the files of a folder that hold scores of runs (see `rpstn.publish.publish`).

    folder  None: the checkout's results/. Raises UserError where none is found.
    """
    folder = Path(folder or RESULTS)
    files = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
    found = {
        name: content
        for name, content in files.items()
        if isinstance(content, dict) and "rows" in content and "manifest" in content
    }
    if not found:
        raise UserError(
            f"no published run in {folder}; score finished runs with `rpstn publish`, or name the folder that holds some"
        )
    return found


def measured_on(result: Mapping[str, Any]) -> str:
    """What a result was measured on, as a line of text."""
    return "Measured on: " + ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in result["measured_on"].items()) + "."


def joint_table(result: Mapping[str, Any], reference: str = "person", others: Sequence[PublishedRow] = ()) -> str:
    """Markdown: PCK@0.2 by group of joints and the mean, a row per variant; below them rows of others, named as such.

    Ours are all annotated joints. Where a data set leaves joints out of its own mean, both means stand there.
    """
    parts = {title: scores[reference]["all"] for title, scores in result["rows"].items()}
    groups = list(dict.fromkeys(name for part in parts.values() for name in part["groups"]))
    scored = next(iter(parts.values())).get("joints_scored")
    every = len(next(iter(parts.values()))["joints"])
    heads = ["", *groups, f"mean ({every} joints)", "95 % interval", *([f"mean ({scored} joints)"] if scored else [])]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for title, part in parts.items():
        low, high = part["interval"]
        lines.append(
            [
                title,
                *(percent(part["groups"].get(name)) for name in groups),
                percent(part["mean"]),
                f"{percent(low)} to {percent(high)}",
                *([percent(part["mean_scored"])] if scored else []),
            ]
        )
    for row in others:
        cells = [f"{row.per_joint[name]:.1f}" if name in row.per_joint else "" for name in groups]
        # A published mean goes under the number of joints that it is of.
        under = [f"{row.mean:.1f}" if f"{count} joints" in row.note or not scored else "" for count in (every, scored) if count]
        lines.append([f"*{row.method}*", *cells, under[0], "", *under[1:]])
    return markdown(lines)


def hidden_table(result: Mapping[str, Any]) -> str:
    """Markdown: PCK of hidden joints behind each occluder, by variant, and what the full network gains over each other one."""
    parts = result.get("hidden", {}).values()
    titles = [title for title in result["rows"] if any(title in part["rows"] for part in parts)]
    heads = ["joints hidden by", "joints", *titles, *(f"gain over {title}" for title in titles[1:])]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for name, part in result.get("hidden", {}).items():
        first = next(iter(part["rows"].values()))
        lines.append(
            [
                name,
                str(first["samples"]),
                *(percent(part["rows"][title]["estimate"]) if title in part["rows"] else "" for title in titles),
                *(gain(part["gains"][title]) if title in part["gains"] else "" for title in titles[1:]),
            ]
        )
    return markdown(lines)


def verdict(result: Mapping[str, Any], other: str) -> str:
    """In words, what the full network gains over another: on all joints, and on hidden ones behind each occluder."""
    first = next(iter(result["rows"]))
    parts = {"all joints": result["gains"][other]} | {
        "joints hidden as they are in the clips" if name == "as it is" else f"joints hidden by {name}": part["gains"][other]
        for name, part in result["hidden"].items()
        if other in part["gains"]
    }
    words = {1: "above", -1: "below", 0: "not told apart from"}
    sentences = [
        f"On {where}, {first} is {words[_sign(value)]} {other}: {gain(value)} points, {value['samples']} joints, "
        f"{value['sources']} sources."
        for where, value in parts.items()
        if value["estimate"] is not None
    ]
    return " ".join(sentences)


def others_table(rows: Sequence[PublishedRow]) -> str:
    """Markdown: figures of others, each with what it was measured on and where it is printed."""
    heads = ["method", "split", "score", "by", *PAPER_JOINTS, "mean", "note", "source"]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        joints = [f"{row.per_joint[name]:.1f}" if name in row.per_joint else "" for name in PAPER_JOINTS]
        lines.append([row.method, row.split, row.metric, row.reference, *joints, f"{row.mean:.1f}", row.note, row.source])
    return markdown(lines)


def how_made(result: Mapping[str, Any]) -> str:
    """Markdown: steps, clips a step, sizes and time of each training behind a result, the earlier ones first."""
    runs: dict[str, Mapping[str, Any]] = {}
    for title, trained in result.get("trained", {}).items():
        for name in ("pictures", "encoder"):
            if name in trained:
                runs.setdefault(name, trained[name])
        runs[title] = trained
    heads = ["training", "data set", "encoder", "steps", "frames a step", "px", "minutes", "device"]
    lines = [heads, ["---", "---", "---", *["---:"] * 4, "---"]]
    for name, run in runs.items():
        settings = run["parameters"]
        minutes = run.get("seconds")
        lines.append(
            [
                name,
                settings["dataset"],
                settings["encoder"],
                str(settings["steps"]),
                str(settings["batch"] * settings["frames"]),
                str(settings["size"]),
                "" if minutes is None else f"{minutes / 60:.0f}",
                str(run.get("device", "")),
            ]
        )
    return markdown(lines)


def gain(value: Mapping[str, Any]) -> str:
    """A difference in points with its interval, signed; empty where nothing was to be counted."""
    if value["estimate"] is None:
        return ""
    low, high = value["interval"]
    return f"{100 * value['estimate']:+.1f} ({100 * low:.1f} to {100 * high:.1f})"


def percent(value: float | None) -> str:
    return "" if value is None or value != value else f"{100 * value:.1f}"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _sign(value: Mapping[str, Any]) -> int:
    """1 or -1 where the interval excludes zero, else 0."""
    low, high = value["interval"]
    return 0 if low is None or low <= 0 <= high else int(low > 0) - int(high < 0)
