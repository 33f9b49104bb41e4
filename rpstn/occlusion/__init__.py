"""What hiding does: occluders, protocols, cuts, recovery."""

from rpstn.occlusion.occluders import Occluder, occlude, occlude_dataset

__all__ = [
    "Occluder",
    "occlude",
    "occlude_dataset",
]
