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
# **Time.** About two minutes on two CPU cores. What was trained before is kept.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set: embedded, penn_action or sub_jhmdb
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of this notebook's runs; None: runs/<dataset>/ablations-demo
init: Optional[str] = None  # checkpoint of the encoder that all start from; None: the shipped one
runs: list[str] = ["full", "cat", "without_p", "frame_by_frame"]  # names in rpstn.notebooks.ablations.RUNS
seeds: list[int] = [2021, 2022, 2023]  # of samples, augmentation and fresh weights
encoder: str = "small"  # backbone of init's encoder
steps: int = 40  # training steps of each run
lr: float = 1e-3  # highest learning rate
batch: int = 4  # clips per step
frames: int = 5  # frames per clip
size: int = 128  # side of the input in px: 64, 128, 192 or 256
sigma: float = 1.5  # width of the targets' peaks, in heatmap px
clips: int = 2  # test clips of each group that are scored; 0: all
window: int = 8  # frames that go through a network at once; it starts over after them
workers: int = 0  # processes that read ahead; 0 reads between the steps
results: str = "results/ablations.json"  # the published grid, merged by `rpstn ablate merge`; relative to the checkout

# %%
# %matplotlib inline
import pandas as pd
from IPython.display import Markdown

from rpstn import plots
from rpstn.notebooks.ablation_report import interval_words, loss_interval, paper_table, verdicts
from rpstn.notebooks.ablation_results import read_runs, read_studies, study_name, summarize
from rpstn.notebooks.ablations import RUNS, AblationConfig, ablate
from rpstn.notebooks.published import PAPER_JOINTS, published_rows
from rpstn.notebooks.run import CHECKOUT
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
# Every run is one training. All start from one encoder, which was trained frame by frame, make the same number of steps
# on the same samples, and differ in what the table says. Only runs with clips of another length see other samples: they take as
# many frames per step, as nearly as whole clips allow. Shorter clips are so more clips, with more first frames for the initializer, and
# their crops are tighter, since a crop holds all boxes of its clip. So the rows of T say what training on such clips is worth, not what a
# longer memory is.

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {
            "changed": ", ".join(f"{key} = {value}" for key, value in changes.items()) or "nothing",
            "clips per step": config.run(name, config.seeds[0]).data.batch,
            "in the paper": {"full": "yes", "cat": "yes (Cat)", "without_p": "yes (without P)"}.get(name, ""),
            "here": "yes" if name in config.runs else "",
        }
        for name, changes in RUNS.items()
    }
).T

# %% [markdown]
# ## A small budget, here and now

# %%
keep_memory()  # this process trains: what a step frees stays for the next one
made = ablate(config)
study = summarize(read_runs(made))

# %% tags=["hide-input"]
measured, budget = study["measured_on"], study["budget"]
Markdown(
    f"Each run made **{budget['steps']} steps** of {budget['batch']} clips of {budget['frames']} frames, {budget['augmentation']['erasing']:.0%} "
    f"of them behind a painted occluder whose sides are up to {budget['augmentation']['erasing_size'][1]:.0%} of the input's, with "
    f"{len(config.seeds)} seed{'' if len(config.seeds) == 1 else 's'}, and was scored on {measured['clips']} {measured['split']} clips of `{measured['data_set']}` from "
    f"{measured['groups']} groups. **Such a budget says little**: a new part starts from nothing beside an encoder that is "
    "trained, and the first steps mostly show how much it disturbs. What can be seen here is how such a comparison is made, and "
    "how wide its intervals are."
)

# %% [markdown]
# The mean is over all joints and over seeds; where the data set leaves joints out of its own mean, that mean stands beside it.
# Its interval comes from a bootstrap that draws groups and seeds, both with replacement. The difference to the full
# network is paired: each draw takes the same groups and the same seeds for both. So what
# makes a clip hard for both cancels.

# %% tags=["hide-input"]
Markdown(interval_words(study))

# %% tags=["hide-input"]
pd.DataFrame(paper_table(study)).set_index("").drop(columns="measured on")

# %% mystnb={"figure": {"name": "fig-ablations-demo"}, "image": {"alt": "Points with horizontal intervals beside a line of no difference, one row per run of the grid."}}
losses = {row["title"]: loss_interval(study, name) for name, row in study["rows"].items()}
losses = {title: item for title, item in losses.items() if item is not None}
ax = plots.interval_points(losses, label="full minus this, PCK@0.2 torso (percentage points)")

# %% [markdown]
# *What the full network scores more than each other run, `PCK@0.2` by torso size, with intervals over groups and
# seeds. Filled points: the interval excludes zero. The small budget of this page.*

# %% tags=["hide-input"]
Markdown("In words, for this small budget:\n\n" + "\n".join(f"- {line}" for line in verdicts(study)))

# %% [markdown]
# ## The published grid
#
# The whole grid takes hours, and with a larger budget days. Each run is a directory of its own, so it can be stopped at any
# time, and several machines can share the work:
#
# ```
# rpstn ablate --seeds 2021 2022          # one machine
# rpstn ablate --seeds 2023 2024 2025     # another
# rpstn ablate merge runs/embedded/ablations copied/from/the/other
# ```
#
# The last line writes `results/ablations.json`, which the rest of this page reads.

# %% tags=["hide-input"]
name, path = study_name(study), CHECKOUT / results
content = read_studies(path) if path.is_file() else {}
published = content.get(name)
shown = published or study
if published is None:
    text = f"There is no published grid of `{name}` yet: tables and figures below show **the small budget above once more**."
else:
    of, cost = published["measured_on"], published["budget"]
    counts = sorted({len(row["seeds"]) for row in published["rows"].values()})
    text = (
        f"Published grid of `{name}`: {len(published['rows'])} rows with {' to '.join(map(str, sorted({counts[0], counts[-1]})))} "
        f"seeds, {cost['steps']:,} steps of {cost['batch']} clips of {cost['frames']} frames each, scored on {of['clips']} "
        f"{of['split']} clips from {of['groups']} groups. {interval_words(published)}"
    )
Markdown(text)

# %% [markdown]
# In the paper's form, beside the paper's own rows. **The rows must not be compared across data sets**: the last column says what each was
# measured on. What can be compared is the order within a set.

# %% tags=["hide-input"]
paper = [row for row in published_rows(data_set="penn_action", reference="torso") if row.method.startswith("RPSTN")]
pd.DataFrame(paper_table(shown, paper)).set_index("")

# %% mystnb={"figure": {"name": "fig-ablations-grid"}, "image": {"alt": "Two panels of points with horizontal intervals beside a line of no difference."}}
parts = {
    subset: {row["title"]: loss_interval(shown, name, "torso", subset) for name, row in shown["rows"].items()}
    for subset in ("all", "occluded")
}
axes = plots.interval_panels(
    {
        f"{subset} joints": {title: item for title, item in part.items() if item is not None and item.samples}
        for subset, part in parts.items()
    },
    label="full minus this, PCK@0.2 torso (percentage points)",
)

# %% [markdown]
# *What the full network scores more than each other run, by torso size, on all annotated joints (top) and on occluded
# ones (bottom), with intervals over groups and seeds.*

# %% [markdown]
# In words. Where no part made any difference, about one interval of 95 % in twenty would still exclude zero, and here are many.

# %% tags=["hide-input"]
Markdown(
    "\n".join(f"- {line}" for line in verdicts(shown))
    + "\n\nOn occluded joints alone:\n\n"
    + "\n".join(f"- {line}" for line in verdicts(shown, subset="occluded"))
)

# %% [markdown]
# ## Beside the paper
#
# The paper finds that propagating is worth more than concatenating, and both more than neither. What its full network scores
# more than each, and what ours does, each within its own data set:

# %% tags=["hide-input"]
means = {row.method: row for row in paper}
pd.DataFrame(
    [
        {
            "difference": f"full minus {title}",
            **{
                f"paper, {net}": f"{means[f'RPSTN-{net}'].mean - means[f'RPSTN-{net}{suffix}'].mean:+.1f}"
                for net in ("R18", "R50")
            },
            "here": "" if here is None else here.text(signed=True),
        }
        for name, suffix, title in (("cat", "-Cat", "Cat"), ("without_p", " without P", "without P"))
        for here in (loss_interval(shown, name) if name in shown["rows"] and "full" in shown["rows"] else None,)
    ]
).set_index("difference")

# %% tags=["hide-input"]
r18 = means["RPSTN-R18"].per_joint, means["RPSTN-R18 without P"].per_joint
apart = {joint: r18[0][joint] - r18[1][joint] for joint in PAPER_JOINTS}
most = max(apart, key=apart.get)
Markdown(
    f"In the paper's smaller network, most of what propagation adds comes from one joint: the {most}, by {apart[most]:.1f} points; "
    f"the other joints differ by {min(apart.values()):+.1f} to {sorted(apart.values())[-2]:+.1f}. The paper's rows have no intervals "
    "and do not say how many runs they are of, so how much of that is chance cannot be said."
)
