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
# **Question.** How well do the networks of this book find joints, on drawn and on real people, and how does that compare with what
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

from rpstn.notebooks import words
from rpstn.notebooks.published import load_published, missing_tables, published_rows
from rpstn.notebooks.question import same_question_table
from rpstn.notebooks.real_people import summarize
from rpstn.notebooks.results import RESULTS, check_table, load_results, others_table, trainings_table
from rpstn.runs import read_json

runs = load_results(results)
drawn, gentle = runs.get("embedded"), runs.get("embedded-gentle")
real = {name: run for name, run in runs.items() if run["measured_on"]["data_set"] == "sub_jhmdb"}

# %% [markdown]
# ## Drawn people
#
# The embedded data set: real motion, drawn bodies, exact truth. `PCK@0.2` by person size, over all annotated joints, visible and
# occluded. With flip test, the prediction for the mirrored frames is averaged in, as in many papers; the gains and
# the hidden joints further down are without.

# %% tags=["hide-input"]
Markdown(words.scores_section(drawn))

# %% [markdown]
# **The full network compared with networks that lack one part or the other.** The intervals are from a paired bootstrap over groups:
# both networks are scored on the same frames, and the bootstrap draws whole stretches of motion, since two frames of one stretch are
# nearly the same. Each network was trained once. With another seed, each would score somewhat differently, and that variation is
# not in the intervals: so they compare these networks, not yet the parts that they have or lack. [Ablations](12_ablations.ipynb)
# draw seeds as well.

# %% tags=["hide-input"]
Markdown(words.gains_section(drawn))

# %% [markdown]
# **How they were trained.**

# %% tags=["hide-input"]
Markdown(words.training_section(drawn))

# %% [markdown]
# **How much of it is due to training?** Below are the same networks, trained differently. Their encoder was trained further on more
# clips, and the stage after it was gentler: fewer steps at a lower rate, above all for what came from the encoder, in shorter clips of
# more people. So every variant may have kept more of what its encoder knew, and there was less time to learn what to carry. The last
# lines compare the two trainings.

# %% tags=["hide-input"]
Markdown(words.gentle_section(gentle, drawn))

# %% [markdown]
# A gain over a baseline is a gain over *that* baseline: it says what carrying added to one training, not to the best one.
#
# ## The same question, all measurements
#
# How many more of the joints hidden for up to five frames does one network find than another? Chapters ask it of networks from
# different starts, of clips of different lengths, behind different occluders, so answers differ. Here are all that have been
# published, behind occluders and in the clips as they are. Where a network is compared with "its own pose held", the question is
# whether it does better than a rule that says that a joint stays where the network last saw it. Rows behind occluders that lay around
# the hidden joints are kept for reading older results: they measure how well a network finds the middle of a patch.

# %% tags=["hide-input"]
Markdown(same_question_table(results))

# %% [markdown]
# ## Real people, several seeds
#
# Sub-JHMDB, all splits and several trainings of each network, so that chance between trainings is in the intervals. Each split and seed has
# an encoder of its own, MoveNet's, trained on single frames; every network starts from it and keeps it. A gain counts over the
# strongest network that knows nothing of other frames.

# %% tags=["hide-input"]
several, rebuilt = (Path(results or RESULTS) / f"{name}.json" for name in ("real_people", "sub_jhmdb_labels"))
labels = read_json(rebuilt) if rebuilt.is_file() else None
Markdown(words.real_people_section(summarize(read_json(several)) if several.is_file() else None, labels))

# %% [markdown]
# ## Real people, one training
#
# Sub-JHMDB, on each of its splits, with the boxes of the masks. By person size first, then by torso size, which is shorter and
# so demands more precision. Rows in italics are published by others, on the data set as it was released. Here, too, each network was
# trained once.

# %% tags=["hide-input"]
published = load_published()
Markdown("\n\n".join(words.split_section(name, run, published, labels) for name, run in real.items()) or words.NONE_PUBLISHED)

# %% [markdown]
# **Where the precision was gained.** The full network of each run above, `PCK@0.2` over the 13 joints that published means count. By
# person size little is left to gain. By torso size the limit is a few pixels. The runs differ in the pixels of their input, in the
# data their encoder's batches came from, and in the frames of a window, which share one crop. They differ in steps and augmentation
# too, so the table says how each one scores, not what any single change contributes.

# %% tags=["hide-input"]
Markdown(trainings_table(real) if real else words.NONE_PUBLISHED)

# %% [markdown]
# **A further check.** The weights that `rpstn predict` uses are tested on images unlike their clips: crowds, small people, half bodies.
# Each image stands alone, so nothing is carried; `PCK@0.2` by person size.

# %% tags=["hide-input"]
check = Path(results or RESULTS) / "real_on_coco.json"
Markdown(check_table(read_json(check)) if check.is_file() else words.NONE_PUBLISHED)

# %% [markdown]
# ## What others have published
#
# Each row says what it was measured on. Rows with true boxes and rows with a detector's boxes are not comparable, nor are means over
# different joints.

# %% tags=["hide-input"]
tables = {row.data_set: None for row in published}
Markdown("\n\n".join(f"### {name}\n\n{others_table(published_rows(data_set=name))}" for name in tables))

# %% [markdown]
# Tables that are left blank, and why:

# %% tags=["hide-input"]
Markdown(words.bullets(f"{name}: {reason}." for name, reason in missing_tables().items()))
