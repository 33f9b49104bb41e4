"""Scores, and how sure one can be of them."""

from rpstn.metrics.intervals import Interval, contrast_interval, interval, paired_interval
from rpstn.metrics.keypoints import PCK, correct, pck, reference_sizes, summarise

__all__ = [
    "PCK",
    "Interval",
    "contrast_interval",
    "correct",
    "interval",
    "paired_interval",
    "pck",
    "reference_sizes",
    "summarise",
]
