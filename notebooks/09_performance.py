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
# **Question.** The same numbers can be computed in many ways. How much faster is this package than the released
# code's way, and what limits the rest?
#
# **Time.** Seconds: the long measurements come from `make bench`, and are only read here.

# %% tags=["parameters"]
results: str = "results/bench.json"  # what `rpstn bench --out ...` wrote; relative to the checkout
quick: bool = False  # a small size for the one measurement that is made here

# %%
# %matplotlib inline
import sys
from dataclasses import asdict

import pandas as pd
import torch
from IPython.display import Markdown

from rpstn.notebooks import CHECKOUT, words
from rpstn.runs import read_json

sys.path.insert(0, str(CHECKOUT))  # benchmarks/ belongs to the checkout, not to the package
from benchmarks.bench import matching

# %% [markdown]
# ## The baseline
#
# `benchmarks/released_style.py` computes the released network as a first version would: the encoder once per frame,
# the matching as one grouped convolution that is left to autograd, everything in float32, targets joint by joint
# in Python. It shares its weights with the package's network in the released variant, so both must give the same
# numbers. The column *difference* is the largest one between them, as a fraction of the largest value.
#
# Both are timed in turn within one run. A busy machine slows both; their ratio stays. On a CPU the released style
# runs in a process of its own, with the default memory allocator.

# %% tags=["hide-input"]
bench = read_json(CHECKOUT / results)
Markdown(f"Measured on: {bench['machine']}.")

# %% tags=["hide-input"]
pd.DataFrame(words.bench_table(bench["rows"])).set_index("measured")

# %% [markdown]
# *Target* is what this project set out to reach, before anything was measured. In the rows of the JRE's share,
# the left time is that of a whole forward pass and the right one that of the JRE alone, so a ratio of 50 is 2 %. *Loading kept*
# is loading from the second epoch on, when the cache holds the decoded frames; the released code's way decodes them again.

# %% tags=["hide-input"]
Markdown(words.targets_words(bench["rows"]))

# %% [markdown]
# ## Where the time goes
#
# Four changes make the difference in a step.
#
# - **A backward pass of its own for the matching.** Most of the time of a grouped convolution with a kernel per
#   sample and channel goes into autograd's backward. But the derivative of a correlation is again a correlation: for the
#   features with the kernels rotated by 180 degrees, for the kernels with the incoming gradient as one large kernel.
#   Both are forward convolutions, which are fast (`rpstn/models/propagation.py`).
# - **All frames in one batch.** The encoder depends on no other frame. Only what depends on the frame before is
#   computed frame by frame.
# - **bfloat16 where the machine has it.** The matching and the relation stay in float32: 16-bit depthwise
#   convolutions are slow on CPUs, and the softmax sees sums over all pixels.
# - **Memory that is kept.** A process returns each large block to the system when it is done with it, and the system
#   clears every page before it hands it out again. A training step needs the same blocks as the step before, so here
#   they are kept (`rpstn/runs/memory.py`).
#
# The first and the last can be measured here and now, together, on the machine that made this page:

# %%
(live,) = matching(torch.device("cpu"), quick)

# %% tags=["hide-input"]
pd.DataFrame(words.bench_table([asdict(live) | {"ratio": live.ratio}])).set_index("measured").assign(
    threads=torch.get_num_threads()
)

# %% [markdown]
# Loading is helped by smaller things: crop and rotation are a single warp; only the part of the image that the crop
# needs is read; frames leave the worker as bytes; a target is the product of two vectors, whose far tails are set to zero,
# because denormal numbers slow a CPU down.
#
# ## What limits the rest
#
# A machine has a speed at which it multiplies large matrices, and one at which it copies memory. `make bench`
# measures both and says what share of them the rows reach.

# %% tags=["hide-input"]
limits = ("share of matrix rate", "share of copy rate", "frames/s", "late/early frame")
pd.DataFrame(
    [
        {"measured": row["name"], **{key: str(row["extra"].get(key, "")) for key in limits}}
        for row in bench["rows"]
        if set(limits) & set(row["extra"])
    ]
).set_index("measured")

# %% [markdown]
# A training step is mostly convolutions, and the share of the matrix rate says how near they come to what the machine
# can do. The rest is spent in layers that only move memory: normalizations, activations, the rearranging of transposed
# convolutions. The matching does few operations per number it reads; neither rate alone limits it.

# %% tags=["hide-input"]
Markdown(words.matching_words(bench["rows"]))

# %% [markdown]
# *late/early frame* compares the time of a frame late in a long video with that of an early one. It is about 1: a
# stream keeps the last frame's heatmaps and features, and nothing else grows.
