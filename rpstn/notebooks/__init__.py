"""The book's machinery: running notebooks, publishing results, ablations, words. It needs a checkout."""
