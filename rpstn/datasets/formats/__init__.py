"""File formats of labels: MAT, JSON and XML files, read with care."""
