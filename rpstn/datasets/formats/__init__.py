"""File formats of labels: MAT, JSON and XML files, and the cache of what was read from them."""
