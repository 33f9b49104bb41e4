"""`rpstn run` and `rpstn bench`: what needs a checkout of the book."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import tyro

from rpstn.errors import UserError
from rpstn.notebooks import CHECKOUT
from rpstn.notebooks.run import run_notebooks
from rpstn.runs.paths import check_file, default_place


def run(
    notebooks: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[NOTEBOOK ...]")] = (),
    /,
    *,
    profile: str = "demo",
    parameters: Annotated[
        tuple[tuple[str, str], ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(name="parameter", aliases=("-p",), metavar="NAME VALUE"),
    ] = (),
    out: Path | None = None,
    force: bool = False,
    list_parameters: Annotated[bool, tyro.conf.arg(name="list")] = False,
) -> int:
    """Execute the book's notebooks in their order. What ran before with the same sources, data and values is kept.

    Executed notebooks become pages of the book, in book/executed of the checkout, if they ran with the demo or
    the paper profile as it is. Smoke runs, and runs with a value that is not the profile's own, go to
    runs/notebooks/NAME in the current checkout; NAME is the profile and those values, such as smoke,
    demo-sub_jhmdb or demo-steps=2000. So a trial never replaces a page. --out names any other folder.

    Args:
        notebooks: short names such as data or train; all of them if none is given.
        profile: a set of parameter values: smoke (seconds), demo (minutes on two cores), paper (a GPU and real data).
        parameters: a value for one parameter, in every named notebook that has it; may be given again.
        out: folder for the executed notebooks; see above if not given.
        force: execute again what is fresh, too.
        list_parameters: only list notebooks, parameters and their values under this profile.
    """
    return run_notebooks(notebooks, profile=profile, values=dict(parameters), out=out, force=force, only_list=list_parameters)


def bench(
    rows: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ROW ...]")] = (),
    /,
    *,
    out: Path | None = None,
    quick: bool = False,
) -> None:
    """Time this package against a plain re-creation of how the released code computes the same, as ratios of one run.

    Args:
        rows: matching, step, inference, loading, relation; all of them if none is given.
        out: JSON file to write; runs/bench.json if not given.
        quick: small sizes and few repetitions, to see that everything works.
    """
    if not (CHECKOUT / "benchmarks").is_dir():
        raise UserError(
            "rpstn bench needs a checkout of the book: this installation has the package alone, without benchmarks/; clone the "
            "repository and call rpstn bench, or make bench, there"
        )
    out = out or default_place("runs", "bench.json")
    check_file(out)
    sys.path.insert(0, str(CHECKOUT))
    from benchmarks.bench import bench as measure

    measure(rows, out=out, quick=quick)
