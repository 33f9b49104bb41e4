"""A network over labelled clips: predictions, scores, folds."""
