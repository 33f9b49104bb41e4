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
# # Occlusion: what propagation carries
#
# **Question.** A joint is hidden for a few frames. Does a network that carries the pose from frame to frame find it more often than
# the same network that does not, and more often than the simplest rule, which says that the joint is still where it was last seen?
# For how long? And where does carrying hurt?
#
# **Time.** About two minutes on two CPU cores: each network predicts the test split as it is, once more with occluders, a part of it
# with every kind of occluder, and clips with a cut.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variants: list[str] = []  # the first is compared with the others, by their names in rpstn.train.recipes; empty: all
clip: int = 0  # which test clip is shown closely
joint: str = "left_wrist"  # the joint that is hidden in it
start: int = 8  # first hidden frame
length: int = 5  # hidden frames in the clip that is shown
protocol: str = "limb"  # what is hidden in all test clips: joint, limb, half or person
longest: int = 12  # hidden frames in all test clips
protocols: list[str] = ["joint", "limb", "half", "person"]  # for the table of all kinds of occluders
attached: list[str] = ["body", "image"]  # where those occluders are: moving with the body, or staying in the image
table_start: int = 6  # first hidden frame in that table, so that frames are left after it
each: int = 1  # test clips of each group in that table; 0: all
cut: int = 12  # frame of the cut, in clips that continue as long after it
cuts_each: int = 2  # test clips of each group that get a cut; 0: all
webm: Optional[str] = None  # .webm that is written; None: runs/occlusion-<dataset>.webm
window: int = 24  # frames that go through a network at once; its state is reset after them
batch: int = 8  # windows at once
precision: str = "auto"  # auto takes bf16 where the hardware has it; fp32; bf16
seed: int = 2021  # of occluders, cuts and bootstrap


# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, Video

from rpstn import EvaluateConfig, UserError, load_checkpoint, open_dataset, plots
from rpstn.datasets import OCCLUDED
from rpstn.datasets.splits import first_per_group, with_min_length
from rpstn.evaluate.inference import predict_clips, predict_window
from rpstn.metrics.hidden import BINS, FAST, MEASURES, SPEEDS, hidden_curve, hidden_gain
from rpstn.models.manifests import training_of
from rpstn.notebooks import words
from rpstn.occlusion import Occluder, occlude
from rpstn.occlusion.baselines import filtered, middle_and_chance, rule_predictions, told, true_hold
from rpstn.occlusion.cuts import predict_restarted, splice_dataset
from rpstn.occlusion.protocols import Protocol, grid, other_frames
from rpstn.occlusion.question import ask
from rpstn.occlusion.recovery import effects, part_curve, part_gain
from rpstn.runs.devices import use_bf16
from rpstn.runs.paths import default_place
from rpstn.train.recipes import TITLES, find_checkpoints
from rpstn.video import compare_poses, write_webm

found = find_checkpoints(dataset, out, fold=fold, variants=variants or None)
if len(found) < 2:
    raise UserError(f"this notebook compares the first network with the others; name two or more besides {', '.join(found)}")
configs = {
    TITLES[name]: EvaluateConfig(checkpoint=path, dataset=dataset, root=root, fold=fold, seed=seed, window=window, batch=batch)
    for name, path in found.items()
}
first, *others = configs
baseline = TITLES["frame_by_frame"] if TITLES["frame_by_frame"] in others else others[-1]
plots.use_style()

# %%
occluder = Occluder((joint,), start=start, length=length, seed=seed)
main = Protocol(protocol, start=start, length=longest, seed=seed)
kinds = grid(protocols, attached, start=table_start, length=longest, seed=seed)
test = open_dataset(dataset, root, split="test", fold=fold)
skeleton = test.skeleton
networks = {name: load_checkpoint(config.checkpoint) for name, config in configs.items()}
settings = {"window": window, "batch": batch, "amp": use_bf16(precision, next(networks[first][0].parameters()).device)}

# %% tags=["hide-input"]
Markdown(words.how_trained({name: training_of(config.checkpoint) for name, config in configs.items()}))

# %% [markdown]
# ## One clip, with and without an occluder
#
# A patch, cut from another clip, covers one joint for a few frames and moves with the person. Nothing else is changed, so any
# difference between the two clips is caused by the patch. It is large, and the joint lies anywhere in it: an occluder in whose
# middle the joint is would show where to look. It hides other joints as well.

# %%
clean = test[clip]
stretch = min(len(clean), window or len(clean))  # frames that the networks see at once
if start >= stretch:
    raise UserError(
        f"the occlusion starts in frame {start}, but {stretch} frames are shown; choose a smaller start or another window"
    )
hidden = occlude(clean, skeleton, occluder, other_frames(clean, test, seed))
blind = {name: predict_window(*network, hidden, 0, stretch) for name, network in networks.items()}
clear = predict_window(*networks[first], clean, 0, stretch).window
views = {"unoccluded": clear, "occluded": blind[first].window}  # what a network sees, and the truth in it
columns = list(range(max(0, start - 2), min(stretch, start + length + 3)))
columns = columns[:: -(-len(columns) // 8)]  # eight frames at most

# %% mystnb={"figure": {"name": "fig-occlusion-clip"}, "image": {"alt": "Rows of frames with stick figures: without and with a patch that covers one joint for some frames, and one row for each network."}}
poses = {name: view.joints for name, view in blind.items()}
axes = plots.filmstrip(
    {name: view.frames for name, view in views.items()} | {name: view.window.frames for name, view in blind.items()},
    columns,
    poses={name: view.joints for name, view in views.items()} | poses,
    visibility={name: view.visibility for name, view in views.items()},
    skeleton=skeleton,
)

# %% [markdown]
# *The clip without and with the occluder, with the true pose (hidden joints are hollow); below, what each network predicts for the
# occluded clip.*

# %% [markdown]
# The heatmap of the hidden joint says more than the single position that is read from it: how confident the network is,
# and between which positions it hesitates.

# %% mystnb={"figure": {"name": "fig-occlusion-heatmaps"}, "image": {"alt": "Rows of frames under heatmaps of one joint, with a ring on its true position."}}
index = skeleton.index(joint)
patched = hidden.visibility[:stretch, index] == OCCLUDED
axes = plots.hidden_heatmaps(
    views["occluded"].frames,
    {name: view.heatmaps for name, view in blind.items()},
    index,
    columns,
    truth=views["occluded"].joints,
    hidden=patched,
)

# %% [markdown]
# *Heatmap of the hidden joint over time, one row per network, on one scale. The ring is the true position. Below, the
# same clip as a video, slowed down.*

# %% tags=["hide-input"]
shots = compare_poses(
    views["occluded"].frames,
    {"truth": views["occluded"].joints, **poses},
    skeleton,
    views["occluded"].visibility,
)
path = write_webm(webm or default_place("runs", f"occlusion-{dataset}.webm"), shots, fps=6)
label = f"The clip several times side by side, with the true pose and with the predictions of {', '.join(blind)}; one joint is hidden for some frames."
Video(str(path), embed=True, html_attributes=f'controls loop muted width="100%" aria-label="{label}"')

# %% [markdown]
# ## All test clips: do the occluders give joints away?
#
# One clip is a story, not a measurement. Now every test clip gets an occluder, placed by the protocol and the
# seed. First a check. Suppose one knows nothing but where the patch is, and guesses its **middle**. If that finds many joints, a
# network may find them in the same way, and the score says nothing about inference. **Chance** is a point drawn uniformly in the
# patch. (Occluders that lie centered on joints, within the circle in which these count as found, are beaten by this guess
# outright: the middle finds 100 % of single joints.)

# %%
longer = with_min_length(test, start + longest)
hidden_clips = main.hide(longer)
hiding = {name: Protocol(name, start=start, length=longest, seed=seed) for name in dict.fromkeys([protocol, *protocols])}
guesses = {
    kind.title: {measure: middle_and_chance(kind.hide(longer), **how) for measure, how in MEASURES.items()}
    for kind in hiding.values()
}

# %% tags=["hide-input"]
pd.DataFrame(words.giveaway_table(guesses)).T

# %% [markdown]
# Share of the hidden joints found by the middle of the patch / by chance.

# %% tags=["hide-input"]
Markdown(words.giveaway_words(guesses))

# %% [markdown]
# ## The question, and rules that answer it without an image
#
# How many of the joints that have been hidden for up to five frames are found? Only joints count that are visible without the
# occluder. (Joints that the body hides anyway come below.) In italics, **rules that need no network**: the middle of the patch; the
# visible joint that was nearest when the joint was last seen; the mean of all visible joints; the joint's last true position; and
# that position carried on with its last true velocity. They are told where joints truly are, or were, while they are visible: a
# memory without fault. Rows named after the first network are its own poses, held or carried on over the frames in which the joint
# is hidden: what it would have to beat. Intervals are 95 % bootstrap intervals over groups.

# %%
occluded = {name: predict_clips(*network, hidden_clips, **settings) for name, network in networks.items()}
own = {f"{first}, its pose: {name}": found for name, found in filtered(occluded[first], hidden_clips, told(hidden_clips)).items()}
answer = ask(hidden_clips, occluded | own, seed=seed)
nothing_hidden = words.excluded(len(longer) - len(hidden_clips), "nothing to hide")

# %% tags=["hide-input"]
pd.DataFrame(words.answer_table(answer)).T

# %% tags=["hide-input"]
Markdown(f"{len(hidden_clips)} clips{nothing_hidden}, {main.title}. {words.answer_words(answer)}")

# %% mystnb={"figure": {"name": "fig-occlusion-answer"}, "image": {"alt": "Points with horizontal intervals beside a line of no difference, one row per network and rule."}}
ax = plots.interval_points(answer.gains, label=f"{first} minus this, within 0.2 torso (percentage points)")

# %% [markdown]
# *What the first network finds more than each other network, and than its own pose held or carried on, of joints hidden for up to
# five frames. 95 % intervals over groups; filled points exclude zero.*

# %% [markdown]
# ## How long does it last?
#
# The longer a joint is hidden, the farther it may have moved. But what is hidden for long is often slow, and slow joints are easy:
# over all joints together, such a curve can rise with time although every single joint is forgotten. So the curves are drawn for
# slow and for fast joints apart, by their true motion relative to the person while they are hidden.

# %%
bins = [bin for bin in BINS if bin[0] <= longest]
lasting = occluded | rule_predictions(hidden_clips, {"last true position": true_hold}, window)
curves = {
    speed: {
        name: hidden_curve(predictions, hidden_clips, bins, by="occluder", speed=speed, seed=seed)
        for name, predictions in lasting.items()
    }
    for speed in SPEEDS
}

# %% mystnb={"figure": {"name": "fig-occlusion-curve"}, "image": {"alt": "Two panels, one line per network over the number of hidden frames, with vertical intervals."}}
fig, axes = plt.subplots(2, 1, figsize=(7.2, 7.2), layout="constrained")
for ax, (speed, lines) in zip(axes, curves.items(), strict=True):
    plots.hidden_curves(lines, ax, label=f"{speed} joints found (%)")

# %% [markdown]
# *Joints that an occluder hides and that are found within 0.2 of the torso, against the frames since they were last visible, on all
# test clips that are long enough: slow joints above, fast ones below. Bars are 95 % intervals over groups, each bin by itself.*

# %% [markdown]
# The lines are about the same joints, so a paired difference says more than two intervals side by side.

# %% mystnb={"figure": {"name": "fig-occlusion-gain"}, "image": {"alt": "Lines of differences over the number of hidden frames, with vertical intervals beside zero."}}
gains = {
    f"{first} - {name}": hidden_gain(occluded[first], occluded[name], hidden_clips, bins, by="occluder", seed=seed)
    for name in others
}
ax = plots.hidden_curves(gains, label="gain, 0.2 torso (percentage points)")
line = ax.axhline(0, color="#444444", lw=1)

# %% [markdown]
# *Gain of the first network over each of the others on the same hidden joints, slow and fast. Above zero, it finds more of them.
# Each bin has a 95 % interval by itself. The horizon is the number of frames up to which every bin's interval lies above zero.*

# %% tags=["hide-input"]
Markdown(f"{words.horizons_words(gains)}\n\nFast is what moves by {100 * FAST:g} % of the person's size in a frame or more.")

# %% [markdown]
# ## All test clips as they are
#
# Occluders are artificial. In the embedded set, joints are also hidden by the body itself and by things in the scene, and it is
# known exactly when. Where a data set does not say so, the next figure stays empty, and the occluders above are all there is.

# %%
known = any((item.visibility == OCCLUDED).any() for item in test)
natural = {name: predict_clips(*network, test, **settings) for name, network in networks.items()}
as_it_is = ask(test, natural, seed=seed)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-occlusion-natural"}, "image": {"alt": "One line per network over the number of hidden frames, with vertical intervals."}}
fig, ax = plt.subplots(figsize=(7.2, 3.4))
if known:
    plots.hidden_curves({name: hidden_curve(predictions, test, seed=seed) for name, predictions in natural.items()}, ax)
else:
    ax.text(0.5, 0.5, "hidden joints are not marked", ha="center", transform=ax.transAxes)

# %% [markdown]
# *Joints that are hidden in the clips as they are and that are found within 0.2 of the torso, all speeds together: the mix changes
# with time. Bars are 95 % intervals over groups. The gains, on joints hidden for up to five frames, stand in the table.*

# %% tags=["hide-input"]
pd.DataFrame(words.answer_table(as_it_is)).T if known else None

# %% tags=["hide-input"]
Markdown(words.answer_words(as_it_is))

# %% [markdown]
# ## Every kind of occluder
#
# One joint, one limb, half the body, the whole person. The occluder moves with the person, or stays where its first frame put it,
# and people pass behind it. For each, three questions. Are hidden joints found? Are joints found when they have **reappeared** and
# the occluder has left? And what happens to the **unoccluded joints**, which it has not hidden so far?

# %%
some = first_per_group(with_min_length(test, table_start + longest), each)
table, fewest = {}, len(some)
for kind in kinds:
    behind = kind.hide(some)
    fewest = min(fewest, len(behind))
    predicted = {name: predict_clips(*networks[name], behind, **settings, progress=False) for name in networks}
    table[kind.title] = {name: effects(behind, predicted, natural, first, name, seed=seed) for name in others}

# %% tags=["hide-input"]
pd.DataFrame(words.effects_table(table, first, baseline)).T

# %% [markdown]
# Percentage points with 95 % intervals over the groups of the clips. Gains are those of the first network within 0.2 of the torso.
# Reappeared joints are in frames without the occluder, 1 to 3 frames after it last hid them; their change is the network with
# the occluder minus itself on the unoccluded video. The change of the error, with the occluder minus without, is in percent of
# the person's size, of joints that are visible while others are hidden and that were not hidden before.

# %% tags=["hide-input"]
last = table_start + longest - 1
none_hidden = words.excluded(len(some) - fewest, "at most, where an occluder has nothing to hide")
Markdown(f"Measured on {len(some)} clips{none_hidden}; occluders cover frames {table_start} to {last}.")

# %% mystnb={"figure": {"name": "fig-occlusion-protocols"}, "image": {"alt": "Two panels of points with horizontal intervals beside a line of no difference, one row for each kind of occluder."}}
compared = {kind: row[baseline] for kind, row in table.items()}
axes = plots.interval_panels(
    {
        "hidden for 1-5 frames": {kind: row.gain for kind, row in compared.items() if row.gain.samples},
        "reappeared 1-3 frames ago": {kind: row.reappeared_gain for kind, row in compared.items() if row.reappeared_gain.samples},
    },
    label=f"gain of {first} over {baseline} (percentage points)",
)

# %% [markdown]
# *Gain of the first network over the baseline for every kind of occluder: on hidden joints (top), and on joints that
# reappeared up to three frames ago (bottom). 95 % intervals over groups; filled points exclude zero, as they would for about one of
# twenty kinds without any effect.*

# %% tags=["hide-input"]
Markdown(words.effects_words(compared, first, baseline))

# %% [markdown]
# ## Where it hurts: after the occluder, and after a cut
#
# A pose that is carried can be wrong. In two cases nothing is gained by it. **Reappeared**: the joint is visible again, and
# what was believed of it while it was hidden only misleads. **A cut**: the video continues with another person in another
# position, and everything that is carried is wrong.
#
# For the cut, each clip is appended to the beginning of a clip of another group, with images of the same size. The network is not
# told. It is compared with frame by frame, and with itself when it *is* told, that is, reset in the first frame after the cut.

# %%
uncut = first_per_group(with_min_length(test, cut), cuts_each)
cut_clips = splice_dataset(uncut, cut, 2 * cut, seed)
over = {name: predict_clips(*networks[name], cut_clips, **settings) for name in (first, baseline)}
told_of_it = predict_restarted(*networks[first], cut_clips, **settings)
since = {
    first: part_curve(over[first], cut_clips, "after_cut", seed=seed),
    f"{first}, told of the cut": part_curve(told_of_it, cut_clips, "after_cut", seed=seed),
    baseline: part_curve(over[baseline], cut_clips, "after_cut", seed=seed),
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-occlusion-after"}, "image": {"alt": "Two panels of lines over the number of frames, one line per network, with vertical intervals."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 3.6))
back_bins = ((1, 1), (2, 2), (3, 4))
back = {name: part_curve(occluded[name], hidden_clips, "reappeared", back_bins, seed=seed) for name in networks}
plots.hidden_curves(back, left, label="found within 0.2 torso (%)", counted="frames since they reappeared")
axes = plots.hidden_curves(since, right, label="found within 0.2 torso (%)", counted="frames since the cut")

# %% [markdown]
# *Left: joints that were hidden and are found within 0.2 of the torso, against the frames since they reappeared. Right: the same
# of all joints, against the frames since a cut. Bars are 95 % intervals over groups.*

# %%
lately, later = ((1, 3),), ((4, 12),)
reappeared, after = (hidden_clips, "reappeared"), (cut_clips, "after_cut")
pairs = {
    f"reappeared up to 3 frames ago: {first} - {baseline}": (occluded[first], occluded[baseline], *reappeared, lately),
    f"cut up to 3 frames ago: {first} - {baseline}": (over[first], over[baseline], *after, lately),
    f"cut up to 3 frames ago: {first} - itself, told": (over[first], told_of_it, *after, lately),
    f"cut 4 to 12 frames ago: {first} - itself, told": (over[first], told_of_it, *after, later),
}
harm = {name: part_gain(*pair, seed=seed).intervals[0] for name, pair in pairs.items()}
no_partner = words.excluded(len(uncut) - len(cut_clips), "images of a size that no other group has")

# %% tags=["hide-input"]
verdicts = "**no, it helps even here**", "**yes, it hurts**"
counts = f"{len(hidden_clips)} clips with an occluder{nothing_hidden}, {len(cut_clips)} with a cut{no_partner}"
Markdown(f"Does carrying hurt? {counts}:\n\n{words.differences(harm, *verdicts)}")

# %% [markdown]
# ## What follows
#
# Whatever a network gains over another, the rule that a joint is still where it was last seen stands above both until a network
# beats it: this is what a memory of the pose is for. The comparison with **frame by frame** shows what relation and propagation do
# together; that with **without propagation** what propagation adds to a relation. A gain in the first few bins and not in later
# ones is a short memory: what is carried fades. Of twenty bins without any difference, about one would look like one; the gain over
# the first five frames together, above, is one number and needs no such caution.
