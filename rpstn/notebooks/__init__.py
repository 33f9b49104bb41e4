"""The book's machinery: running notebooks, publishing results, ablations, words. It needs a checkout."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
