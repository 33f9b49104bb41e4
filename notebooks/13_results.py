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
# # Results
#
# **Question.** What do the networks of this book find, on drawn and on real people, and where does that stand beside what
# others have published?
#
# **Time.** Seconds: this page computes nothing. It reads `results/`, where each file holds the scores of one published run
# with everything that made them; `rpstn publish` writes such a file from finished runs.

# %% tags=["parameters"]
from typing import Optional

results: Optional[str] = None  # folder of the published runs; None: the checkout's results/

# %%
from pathlib import Path

from IPython.display import Markdown

from rpstn.notebooks.published import load_published, missing_tables, published_rows
from rpstn.notebooks.results import (
    RESULTS,
    check_table,
    hidden_table,
    how_made,
    joint_table,
    load_results,
    measured_on,
    others_table,
    trained_otherwise,
    trainings_table,
    verdict,
    weakest_group,
)
from rpstn.runs import read_json

runs = load_results(results)

# %% [markdown]
# ## Drawn people
#
# The embedded data set: real motion, drawn bodies, exact truth. `PCK@0.2` by person size, over all annotated joints, seen and
# hidden. With flip test, the prediction for the mirrored frames is averaged in, as many papers have it; the gains and
# the hidden joints further down are without.

# %% tags=["hide-input"]
drawn = runs.get("embedded")
none = "No run on the embedded data set has been published here."
Markdown(f"{joint_table(drawn)}\n\n{measured_on(drawn)}\n\n{weakest_group(drawn)}" if drawn else none)

# %% [markdown]
# **The full network beside networks without one part or the other.** The intervals are from a paired bootstrap over groups: both
# networks are scored on the same frames, and what is drawn anew is the stretches of motion, since two frames of one stretch are
# nearly the same. Each network was trained once. Trained anew with another seed, each would score somewhat differently, and that is
# not in the intervals: so they compare these networks, not yet the parts that they have or lack. [Ablations](12_ablations.ipynb)
# draw seeds as well.

# %% tags=["hide-input"]
Markdown(f"{hidden_table(drawn)}\n\n" + "\n\n".join(verdict(drawn, other) for other in drawn["gains"]) if drawn else none)

# %% [markdown]
# **How they were trained.**

# %% tags=["hide-input"]
Markdown(how_made(drawn) if drawn else none)

# %% [markdown]
# **How much of it is the training's?** Below are the same networks, trained otherwise. Their encoder went on with more clips, and the
# stage after it was gentler: fewer steps at a lower rate, most of all for what came from the encoder, in shorter clips of more people.
# So every variant may have kept more of what its encoder knew, and what is carried had less time to be learned.

# %% tags=["hide-input"]
gentle = runs.get("embedded-gentle")
Markdown(f"{joint_table(gentle)}\n\n{measured_on(gentle)}\n\n{hidden_table(gentle)}" if gentle else none)

# %% tags=["hide-input"]
Markdown("\n\n".join([*(verdict(gentle, other) for other in gentle["gains"]), how_made(gentle)]) if gentle else none)

# %% tags=["hide-input"]
Markdown(trained_otherwise(drawn, gentle) if drawn and gentle else none)

# %% [markdown]
# A gain over a baseline is a gain over *that* baseline: it says what carrying added to one training, not to the best one.
#
# ## Real people
#
# Sub-JHMDB, in its official splits, with the boxes of the masks. By person size first, then by the torso's, which is shorter and
# so asks for more precision. In italics what others have published, on the data set as it was released. Here, too, each network was
# trained once.

# %% tags=["hide-input"]
real = {name: run for name, run in runs.items() if run["measured_on"]["data_set"] == "sub_jhmdb"}
text = [] if real else ["No run on Sub-JHMDB has been published yet."]
for name, run in real.items():
    split = f"test of split {run['measured_on']['official_split']}"
    text.append(f"### {name}")
    for reference in ("person", "torso"):
        others = [row for row in load_published() if (row.data_set, row.split, row.reference) == ("sub_jhmdb", split, reference)]
        text.append(f"`PCK@0.2` by {reference} size\n\n{joint_table(run, reference, others)}")
    text.append(measured_on(run))
    text.append(f"Hidden joints, by person size\n\n{hidden_table(run)}")
    text += [verdict(run, other) for other in run["gains"]]
    text.append(how_made(run))
Markdown("\n\n".join(text))

# %% [markdown]
# **Where the precision was won.** The full network of each run above, `PCK@0.2` over the 13 joints that published means count. By
# person size little is left to win. By torso size the limit is a few pixels. The runs differ in the pixels of their input, in what their
# encoder's batches came from, and in the frames of a window, which share one crop. They differ in steps and augmentation too, so the
# table says where each stands, not what a single one of these brings.

# %% tags=["hide-input"]
Markdown(trainings_table(real) if real else "")

# %% [markdown]
# **A further check.** The weights that `rpstn predict` takes meet images that are unlike their clips: crowds, small people, half bodies.
# Each image stands alone, so nothing is carried; `PCK@0.2` by person size.

# %% tags=["hide-input"]
check = Path(results or RESULTS) / "real_on_coco.json"
Markdown(check_table(read_json(check)) if check.is_file() else "No such check has been published here.")

# %% [markdown]
# ## What others have published
#
# Each row stands with what it was measured on. Rows with true boxes and rows with a detector's boxes do not compare, and means over
# different joints do not either.

# %% tags=["hide-input"]
tables = {row.data_set: None for row in load_published()}
Markdown("\n\n".join(f"### {name}\n\n{others_table(published_rows(data_set=name))}" for name in tables))

# %% tags=["hide-input"]
Markdown("Left blank: " + "; ".join(f"{name} ({reason})" for name, reason in missing_tables().items()) + ".")
