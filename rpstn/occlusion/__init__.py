"""What hiding does: occluders, protocols, cuts, recovery."""

from rpstn.occlusion.occluders import Occluder, occlude
from rpstn.occlusion.protocols import Protocol

__all__ = ["Occluder", "Protocol", "occlude"]
