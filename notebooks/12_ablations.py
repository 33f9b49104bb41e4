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
# # Ablations: what each part is worth
#
# **Question.** The paper takes parts away from its network and scores what is left. Do its findings hold here: what
# do the relation and the propagation add, each by itself? And what of the parts that the paper did not try?
#
# **Time.** About two minutes on two CPU cores. Runs that were trained before are reused.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set: embedded, penn_action or sub_jhmdb
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of this notebook's runs; None: runs/<dataset>/ablations-demo
init: Optional[str] = None  # checkpoint of the encoder that all start from; None: the shipped one
runs: list[str] = ["full", "cat", "without_p", "frame_by_frame"]  # names in rpstn.notebooks.ablations.RUNS
seeds: list[int] = [2021, 2022, 2023]  # of samples, augmentation and random weights
encoder: str = "small"  # backbone of init's encoder
steps: int = 40  # training steps of each run
lr: float = 1e-3  # highest learning rate
batch: int = 4  # clips per step
frames: int = 5  # frames of a clip
size: int = 128  # size of the input in px: 64, 128, 192 or 256
sigma: float = 1.5  # width of the targets' peaks, in heatmap px
clips: int = 2  # test clips of each group that are scored; 0: all
window: int = 8  # frames that go through a network at once; its state is reset after them
workers: int = 0  # processes that read ahead; 0 reads between the steps
results: str = "results/ablations.json"  # the published grid, merged by `rpstn ablate merge`; relative to the checkout


# %%
# %matplotlib inline
import pandas as pd
from IPython.display import Markdown

from rpstn import plots
from rpstn.notebooks import CHECKOUT, words
from rpstn.notebooks.ablation_report import paper_table
from rpstn.notebooks.ablation_results import read_runs, read_studies, study_name, summarize
from rpstn.notebooks.ablations import AblationConfig, ablate
from rpstn.notebooks.published import published_rows
from rpstn.runs.memory import keep_memory
from rpstn.train.recipes import run_folder

config = AblationConfig(
    runs=tuple(runs),
    seeds=tuple(seeds),
    dataset=dataset,
    root=root,
    fold=fold,
    out=out or f"{run_folder(dataset, fold)}/ablations-demo",
    init=init,
    encoder=encoder,
    steps=steps,
    lr=lr,
    batch=batch,
    frames=frames,
    size=size,
    sigma=sigma,
    clips=clips,
    window=window,
    workers=workers,
)
plots.use_style()

# %% [markdown]
# ## The grid
#
# Each row of the grid is one training per seed. All start from one encoder, which was trained frame by frame, take the same number
# of steps on the same samples, and differ only in what the table says. The exceptions are runs with clips of another length, which see
# other samples: as many clips per step, or as many frames (`hold`); neither makes T the only difference, and shorter clips have tighter
# crops besides, since a crop holds all boxes of its clip. So the rows of T say what training on such clips is worth, not what a longer
# memory is worth. And one run takes half the steps: where it is as good, the others had enough of them.

# %% tags=["hide-input"]
pd.DataFrame(words.grid_table(config)).T

# %% [markdown]
# ## A small budget, here and now

# %%
keep_memory()  # this process trains: what a step frees stays for the next one
made = ablate(config)
study = summarize(read_runs(made))

# %% tags=["hide-input"]
pd.DataFrame({study_name(study): words.budget_row(study)}).T

# %% [markdown]
# **Such a budget says little**: a new part starts from nothing next to an encoder that is already trained, and the first steps mostly
# show how much it disturbs. What can be seen here is how such a comparison is made, and how wide its intervals are.
#
# The mean is over all joints and over seeds; where the data set leaves joints out of its own mean, that mean is given too.
# Its interval takes groups and seeds as two crossed factors, both of them samples: the networks might have been trained with other
# seeds, and scored on other groups. It is Student's, with the degrees of freedom of both, and so it is wide where seeds are few and
# trainings differ. The difference from the full network is paired, by seed and by group, so that what makes a clip hard for both
# cancels.

# %% tags=["hide-input"]
Markdown(words.interval_words(study))

# %% tags=["hide-input"]
pd.DataFrame(paper_table(study)).set_index("").drop(columns="measured on")

# %% mystnb={"figure": {"name": "fig-ablations-demo"}, "image": {"alt": "Points with horizontal intervals beside a line of no difference, one row for each run of the grid."}}
ax = plots.interval_points(words.losses(study), label="full minus this, PCK@0.2 torso (percentage points)")

# %% [markdown]
# *What the full network scores more than each other run, `PCK@0.2` by torso size, with intervals over groups and
# seeds. Filled points: the interval excludes zero. The small budget of this page.*

# %% [markdown]
# In words, for this small budget:

# %% tags=["hide-input"]
Markdown(words.bullets(words.verdicts(study)))

# %% [markdown]
# ## The published grid
#
# The whole grid takes hours, and with a larger budget days. Each run has a directory of its own, so the grid can be interrupted at any
# time, and several machines can share the work:
#
# ```
# rpstn ablate --seeds 2021 2022          # one machine
# rpstn ablate --seeds 2023 2024 2025     # another
# rpstn ablate merge runs/embedded/ablations copied/from/the/other
# ```
#
# The last line writes `results/ablations.json`, which the rest of this page reads.

# %%
name, path = study_name(study), CHECKOUT / results
published = read_studies(path).get(name) if path.is_file() else None
shown = published or study

# %% tags=["hide-input"]
Markdown(words.published_grid_words(name, published is not None))

# %% tags=["hide-input"]
pd.DataFrame({name: words.budget_row(shown)}).T

# %% tags=["hide-input"]
Markdown(words.bullets([words.converged_words(shown), words.held_words(shown), words.interval_words(shown)]))

# %% [markdown]
# In the paper's form, together with the paper's own rows. **The rows must not be compared across data sets**: the last column says what each was
# measured on. What can be compared is the order within a data set.

# %% tags=["hide-input"]
paper = [row for row in published_rows(data_set="penn_action", reference="torso") if row.method.startswith("RPSTN")]
pd.DataFrame(paper_table(shown, paper)).set_index("")

# %% mystnb={"figure": {"name": "fig-ablations-grid"}, "image": {"alt": "Two panels of points with horizontal intervals beside a line of no difference."}}
axes = plots.interval_panels(
    {f"{subset} joints": words.losses(shown, subset) for subset in ("all", "occluded")},
    label="full minus this, PCK@0.2 torso (percentage points)",
)

# %% [markdown]
# *What the full network scores more than each other run, by torso size, on all annotated joints (top) and on occluded
# ones (bottom), with intervals over groups and seeds.*

# %% [markdown]
# In words. If no part made any difference, about one 95 % interval in twenty would still exclude zero, and there are many here. So one
# question was put before all others, and the others have to pass a stricter test:

# %% tags=["hide-input"]
Markdown(words.endpoint_words(shown))

# %% [markdown]
# On occluded joints:

# %% tags=["hide-input"]
Markdown(words.bullets(words.verdicts(shown, subset="occluded")))

# %% [markdown]
# On all annotated joints:

# %% tags=["hide-input"]
Markdown(words.bullets(words.verdicts(shown)))

# %% [markdown]
# ## Compared with the paper
#
# The paper finds that propagating is worth more than concatenating, and both more than neither. What its full network scores
# more than each, and what ours does, each within its own data set:

# %% tags=["hide-input"]
pd.DataFrame(words.paper_gains_table(shown, paper)).T

# %% tags=["hide-input"]
by_joint = {row.method: row.per_joint for row in paper}
Markdown(words.uneven_gain_words(by_joint["RPSTN-R18"], by_joint["RPSTN-R18 without P"]))
