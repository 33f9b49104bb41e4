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
# # The score
#
# **Question.** The released code comes with an evaluator of its own. What does it give to predictions that the correct
# metric also scores, to the truth with noise on it, and to guesses?
#
# **Time.** About a quarter of a minute on two CPU cores: two networks predict a part of the test split once. The rest
# needs no network.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set: embedded, penn_action or sub_jhmdb
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variants: list[str] = ["rpstn", "frame_by_frame"]  # whose predictions are scored; two or more, the first compared with the others
every: int = 3  # of the test clips, one in so many is predicted
deviations: list[float] = [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32]  # noise on the truth, px of a map of 64
looked_at: float = 8  # noise in the tables, px of the map
clips: int = 500  # times that the one standing person is scored under each noise
window: int = 8  # frames that go through a network at once
batch: int = 8  # windows at once
seed: int = 2021  # of noise, guesses and bootstrap

# %%
# %matplotlib inline
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from rpstn import EvaluateConfig, UserError, load_checkpoint, open_dataset, plots
from rpstn.evaluate.inference import predict_clips
from rpstn.metrics import interval, paired_interval, released
from rpstn.metrics.scores import samples
from rpstn.notebooks import noise, noise_figures
from rpstn.skeletons import PENN_ACTION
from rpstn.train.recipes import TITLES, find_checkpoints

if len(set(variants)) < 2 or every < 1 or clips < 1:
    raise UserError(
        f"variants is {variants}, every {every} and clips {clips}; two variants are compared, and the others start at 1"
    )
found = find_checkpoints(dataset, out, fold=fold, variants=variants)
configs = {
    TITLES[name]: EvaluateConfig(
        checkpoint=found[name], dataset=dataset, root=root, fold=fold, seed=seed, window=window, batch=batch
    )
    for name in variants
}
plots.use_style()

# %% [markdown]
# ## Two rules
#
# The correct rule calls a joint right if its error is at most 0.2 of a reference length $s$ of the same frame. The
# released evaluator works on a map of 64 x 64 px into which the person's box is stretched, and asks something else:
#
# $$\text{correct: } \lVert \hat p - p \rVert \le 0.2\, s, \qquad
# \text{released: } \Big\lVert \frac{\hat p - p}{6.4} + \begin{pmatrix}1\\1\end{pmatrix} \Big\rVert \le 0.2\, s_1 .$$
#
# It divides the error by a tenth of the map's side and keeps the threshold in pixels, so the circle is 6.4 times too wide.
# It adds 1 to both components inside the norm, so the circle's center lies 6.4 px to the left of the joint and above it.
# The length $s_1$ is that of the clip's first frame. And joints that cannot be seen count like all others. Here are both
# circles, for one wrist of a person who fills the map:

# %% mystnb={"figure": {"name": "fig-score-circles"}, "image": {"alt": "Two stick figures in a square map. A small blue circle around a wrist, and a large orange one that covers much of the map."}}
person = noise.standing_person()
wrist, (shoulder, hip) = PENN_ACTION.index("left_wrist"), PENN_ACTION.torso
lengths = {"torso": float(np.linalg.norm(person[shoulder] - person[hip])), "person": float(released.SIDE)}
circles = {reference: noise.accepted(person[wrist], length) for reference, length in lengths.items()}
axes = noise_figures.accepted_circles(person, PENN_ACTION, circles, joint="left_wrist", side=released.SIDE)

# %% [markdown]
# *Where a prediction of the left wrist counts as found, by the torso's length and by the person's size: the correct
# rule, and the released one.*

# %% tags=["hide-input"]
radii = {key: {metric: radius for metric, (_, radius) in parts.items()} for key, parts in circles.items()}
Markdown(
    f"The torso of this person is {lengths['torso']:.1f} px long. By torso, the correct radius is {radii['torso']['correct']:.1f} px, the "
    f"released one {radii['torso']['released']:.1f} px. By person size they are {radii['person']['correct']:.1f} px and "
    f"{radii['person']['released']:.1f} px: "
    + (
        "the released circle holds the whole map, so no prediction can be wrong."
        if noise.covers(circles["person"]["released"])
        else "the released circle holds a part of the map only."
    )
)

# %% [markdown]
# ## Noise and guesses
#
# A score is good for something if predictions that say less get less. So noise is put on the truth, more and more of it,
# and kept inside the map, as an argmax is. At the end stand guesses: places drawn from the map at random, without any
# look at the image. Once for the person above, and once for the poses of the data set as the released evaluator sees them.

# %%
test = open_dataset(dataset, root, split="test", fold=fold)
skeleton = test.skeleton
levels = sorted({float(value) for value in [*deviations, looked_at]})
standing = noise.noise_scores(noise.person_clips(clips), PENN_ACTION.torso, levels, seed=seed)
posed = noise.noise_scores(noise.map_clips(test), skeleton.torso, levels, seed=seed)

# %% mystnb={"figure": {"name": "fig-score-noise"}, "image": {"alt": "Two panels of four lines over the noise. The blue lines of the correct rule fall early; the orange lines of the released rule stay near 100 percent."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.5), sharey=True)
noise_figures.noise_curves(standing, left, title="one standing person", legend=False)
ax = noise_figures.noise_curves(posed, right, title=f"poses of {test.name}")
label = ax.set_ylabel("")

# %% [markdown]
# *`PCK@0.2` of the truth with Gaussian noise, under both rules, by torso and by person size: one standing person
# (left), the poses of the test split (right). The bars at the right edge of each panel are what guesses get.*

# %% tags=["hide-input"]
column = levels.index(float(looked_at))
strict = {
    name: noise.both_scores(released.guesses(target.shape, seed=seed), target, torso, threshold=1.0)
    for name, target, torso in (
        ("one standing person", noise.person_clips(clips), PENN_ACTION.torso),
        (f"poses of {test.name}", noise.map_clips(test), skeleton.torso),
    )
}
pd.DataFrame(
    {
        (name, f"{metric}, {reference}"): {
            f"truth, noise {looked_at:g} px": f"{scores.values[metric, reference][column]:.3f}",
            "guesses": f"{scores.guesses[metric, reference]:.3f}",
            "guesses, threshold 1": f"{strict[name][metric, reference].mean:.3f}",
        }
        for name, scores in (("one standing person", standing), (f"poses of {test.name}", posed))
        for metric, reference in (("correct", "torso"), ("released", "torso"), ("correct", "person"), ("released", "person"))
    }
).T

# %% tags=["hide-input"]
values, guessed = {key: value[column] for key, value in standing.values.items()}, standing.guesses


def noise_of(metric: str, reference: str) -> str:
    half = noise.reaches(posed, metric, reference)
    return f"at {half:.1f} px" if half < float("inf") else f"nowhere up to {levels[-1]:g} px"


Markdown(
    f"**One standing person.** Predictions off by noise of {looked_at:g} px, {looked_at / lengths['torso']:.0%} of the torso, score "
    f"**{values['released', 'torso']:.3f}** by the released rule and **{values['correct', 'torso']:.3f}** by the correct one. Guesses score "
    f"**{guessed['released', 'torso']:.3f}** by torso and **{guessed['released', 'person']:.3f}** by person size, where the correct rule gives "
    f"{guessed['correct', 'torso']:.3f} and {guessed['correct', 'person']:.3f}. (How many guesses pass depends on where in the map the joints "
    "are.) The released training script chooses its model at threshold 1, where guesses score "
    f"{strict['one standing person']['released', 'torso'].mean:.3f} by torso.\n\n"
    f"**Poses of `{test.name}`** ({posed.clips} stretches of {released.FRAMES} frames with all joints annotated). By torso, the correct score "
    f"falls to a half {noise_of('correct', 'torso')}, the released one {noise_of('released', 'torso')}. "
    + (
        f"The truth itself, without noise, scores {posed.values['released', 'torso'][0]:.3f} by the released rule: where the torso is short in "
        "the map, the 1 inside the norm alone is too much."
        if levels[0] == 0 and posed.values["released", "torso"][0] < 1
        else ""
    )
)

# %% [markdown]
# ## The same predictions under both rules
#
# Now trained networks. The correct score is that of the evaluate notebook, in pixels of the source image; the released one
# comes from the same predictions, cut into stretches of five frames.

# %%
part = replace(test, clips=test.clips[::every])
rules = [(metric, reference) for reference in ("torso", "person") for metric in ("correct", "released")]
scored = {}
for name, config in configs.items():
    predictions = predict_clips(*load_checkpoint(config.checkpoint), part, config.window, batch=config.batch)
    for metric, reference in rules:
        scored[name, metric, reference] = (
            samples(predictions, part, reference=reference).correct
            if metric == "correct"
            else released.released_correct_frames(predictions, part, reference=reference)
        )
# What guesses would get on the very same frames.
rng = np.random.default_rng(seed)
anywhere = [
    clip.boxes[:, None, :2] + rng.uniform(size=(len(clip), len(skeleton), 2)) * clip.boxes[:, None, 2:].clip(0) for clip in part
]
blind = replace(predictions, joints=anywhere)
for metric, reference in rules:
    scored["guesses", metric, reference] = (
        samples(blind, part, reference=reference).correct
        if metric == "correct"
        else released.released_correct_frames(blind, part, reference=reference)
    )
groups = np.repeat([clip.group for clip in part], [len(clip) for clip in part])
bounds = {key: interval(right, groups, pool="joints", seed=seed) for key, right in scored.items()}

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {f"{metric}, {reference}": bounds[name, metric, reference].brief() for metric, reference in rules}
        for name in [*configs, "guesses"]
    }
).T

# %% [markdown]
# `PCK@0.2` in percent with 95 % bootstrap intervals over groups. The question to a metric is what it leaves of a difference
# between networks; both are scored on the same frames.

# %%
first, *others = configs
gaps = {
    (name, metric, reference): paired_interval(
        scored[first, metric, reference], scored[name, metric, reference], groups, pool="joints", seed=seed
    )
    for name in others
    for metric, reference in rules
}

# %% mystnb={"figure": {"name": "fig-score-gaps"}, "image": {"alt": "Points with horizontal intervals, one row a rule, beside a line of no difference."}}
ax = plots.effect_points(
    {
        f"{metric}, {reference}": {f"{first} - {name}": gaps[name, metric, reference] for name in others}
        for metric, reference in rules
    },
    label="difference in PCK@0.2 (percentage points)",
)

# %% [markdown]
# *`PCK@0.2` of the first network minus that of the others, on the same frames, under each rule. Bars are 95 % intervals
# over groups; filled points exclude zero.*

# %% tags=["hide-input"]
low = min(bounds[name, "released", "person"].estimate for name in configs)
largest = {rule: max((gaps[(name, *rule)] for name in others), key=lambda item: abs(item.estimate)) for rule in rules}
spread = {rule: abs(item.estimate) for rule, item in largest.items()}
Markdown(
    f"On {len(part)} clips ({len(groups)} frames, {len(set(groups))} groups): by torso, {first} scores "
    f"{100 * bounds[first, 'correct', 'torso'].estimate:.1f} by the correct rule and {100 * bounds[first, 'released', 'torso'].estimate:.1f} by "
    f"the released one; guesses score {100 * bounds['guesses', 'correct', 'torso'].estimate:.1f} and "
    f"{100 * bounds['guesses', 'released', 'torso'].estimate:.1f}. "
    + (
        f"By person size, no network here scores below {100 * low:.1f} by the released rule, and guesses score "
        f"{100 * bounds['guesses', 'released', 'person'].estimate:.1f}: **by that number, a network cannot be told from no network.** "
        if bounds["guesses", "released", "person"].estimate > 0.99
        else ""
    )
    + "The largest difference between networks is "
    + "; ".join(
        f"{100 * spread[rule]:.2f} points by {rule[0]}, {rule[1]} ({'told apart' if item.excludes_zero else 'not told apart'} from zero)"
        for rule, item in largest.items()
    )
    + ". "
    + (
        "**In these numbers, the released rule leaves less of the difference than the correct one**, by torso and by person size. "
        if all(spread["released", reference] < spread["correct", reference] for reference in lengths)
        else "**In these numbers, the released rule does not leave less of the difference both by torso and by person size.** "
    )
    + "They are estimates, and no interval says how sure their order is. "
    + "Whether the published numbers came from this evaluator is not known. Scores by it say too little to be compared with "
    "others, and the rest of this book does not use it."
)
