"""Scores and their confidence intervals; a score knows no network."""

from rpstn.metrics.intervals import Interval, contrast_interval, interval, paired_interval
from rpstn.metrics.keypoints import PCK, correct, head_sizes, pck, pckh, reference_sizes, summarize

__all__ = [
    "PCK",
    "Interval",
    "contrast_interval",
    "correct",
    "head_sizes",
    "interval",
    "paired_interval",
    "pck",
    "pckh",
    "reference_sizes",
    "summarize",
]
