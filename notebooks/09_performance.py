# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Performance
#
# **Question.** The same numbers can be computed in many ways. How much faster is this package than the way the
# released code takes, and what limits what is left?
#
# **Time.** Seconds: the long measurements were made by `make bench`, and are read here.

# %% tags=["parameters"]
results: str = "results/bench.json"  # what `rpstn bench --out ...` wrote; relative to the checkout
quick: bool = False  # a small size for the one measurement that is made here

# %%
# %matplotlib inline
import sys

import pandas as pd
import torch
from IPython.display import Markdown

from rpstn.notebooks.run import CHECKOUT
from rpstn.runs import read_json

sys.path.insert(0, str(CHECKOUT))  # benchmarks/ belongs to the checkout, not to the package
from benchmarks.bench import matching

# %% [markdown]
# ## The yardstick
#
# `benchmarks/released_style.py` computes the released network as a first version would: the encoder once per frame,
# the matching as one grouped convolution that is left to autograd, everything in float32, targets joint by joint
# in Python. It shares its weights with the package's network in the released variant, so both must give the same
# numbers. The column *apart* is their largest difference, as a fraction of the largest value.
#
# Both sides are timed in turn within one run. A busy machine slows both; their ratio stays. On a CPU the released style
# runs in a process of its own, with memory as every process starts out with it.

# %% tags=["hide-input"]
bench = read_json(CHECKOUT / results)
Markdown(f"Measured on: {bench['machine']}.")

# %% tags=["hide-input"]
pd.DataFrame(
    [
        {
            "what": row["name"],
            "setting": row["setting"],
            "released style, ms": f"{1000 * row['theirs']:.4g}",
            "here, ms": f"{1000 * row['ours']:.4g}",
            "ratio": f"{row['ratio']:.1f}",
            "asked": "" if row["asked"] is None else f"{row['asked']:g}",
            "apart": "" if row["agreement"] is None else f"{row['agreement']:.0e}",
        }
        for row in bench["rows"]
    ]
).set_index("what")

# %% [markdown]
# *Asked* is what this project set out to reach, before anything was measured. In the rows of the JRE's share,
# the left time is that of a whole forward pass and the right one that of the JRE alone, so a ratio of 50 is 2 %. *Loading kept*
# is loading from the second epoch on, when the cache holds the decoded frames; the released code's way decodes them again.

# %% tags=["hide-input"]
missed = [row for row in bench["rows"] if row["asked"] is not None and row["ratio"] < row["asked"]]
Markdown(
    "All rows reach what was asked."
    if not missed
    else "Below what was asked: "
    + "; ".join(f"{row['name']}, {row['setting']} ({row['ratio']:.1f} of {row['asked']:g})" for row in missed)
    + "."
)

# %% [markdown]
# ## Where the time goes
#
# Four changes make the difference in a step.
#
# - **A backward pass of its own for the matching.** Most of the time of a grouped convolution with a kernel per
#   sample and channel goes into autograd's backward. But the derivative of a correlation is again a correlation: for the
#   features with the kernels turned by half a turn, for the kernels with the incoming gradient as one large kernel.
#   Both are forward convolutions, which are fast (`rpstn/models/propagation.py`).
# - **All frames in one batch.** The encoder depends on no other frame. Only what hangs on the frame before goes
#   frame by frame.
# - **bfloat16 where the machine has it.** The matching and the relation stay in float32: 16-bit depthwise
#   convolutions are slow on CPUs, and the softmax sees sums over all pixels.
# - **Memory that is kept.** A process gives each large block back to the system when it is done with it, and the system
#   clears every page before it hands it out again. A training step asks for the same blocks as the step before, so here
#   they are kept (`rpstn/runs/memory.py`).
#
# The first and the last can be measured here and now, together:

# %%
(live,) = matching(torch.device("cpu"), quick)

# %% tags=["hide-input"]
Markdown(
    f"On the machine that made this page ({torch.get_num_threads()} threads), for {live.setting}: {1000 * live.theirs:.0f} ms as one "
    f"grouped convolution, {1000 * live.ours:.0f} ms here, **{live.ratio:.1f} times faster**; results lie {live.agreement:.0e} apart."
)

# %% [markdown]
# Loading is helped by smaller things: crop and rotation are one map, drawn once; only the part of the image that the crop
# needs is touched; frames leave the worker as bytes; a target is the product of two vectors, whose far tails are set to zero,
# because numbers below the smallest normal one slow a CPU down.
#
# ## What limits the rest
#
# A machine has a speed at which it multiplies large matrices, and one at which it copies memory. `make bench`
# measures both and says what share of them the rows reach.

# %% tags=["hide-input"]
limits = ("share of matrix rate", "share of copy rate", "frames/s", "late/early frame")
pd.DataFrame(
    [
        {"what": row["name"], **{key: str(row["extra"].get(key, "")) for key in limits}}
        for row in bench["rows"]
        if set(limits) & set(row["extra"])
    ]
).set_index("what")

# %% [markdown]
# A training step is convolutions, and the share of the matrix rate says how near they come to what the machine
# can do. What is missing lies in layers that only move memory: normalizations, activations, the transposed
# convolutions' rearranging. The matching does few operations per number it reads; neither rate binds it alone.

# %% tags=["hide-input"]
Markdown(
    "\n\n".join(
        f"The matching is {row['ratio']:.1f} times as fast as the released way, at {row['extra']['share of matrix rate']} of the "
        f"matrix rate. {row['asked']:g} times would take {row['asked'] / row['ratio']:.1f} times that share."
        for row in bench["rows"]
        if row["name"] == "matching"
    )
)

# %% [markdown]
# *late/early frame* compares the time of a frame late in a long video with that of an early one. It is about 1: a
# stream keeps the last frame's heatmaps and features, and nothing else grows.
