"""A network over labeled clips: predictions, scores, folds."""
