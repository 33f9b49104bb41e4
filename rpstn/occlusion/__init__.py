"""What hiding does: occluders, protocols, rules that need no network, the question and its study, cuts, recovery."""

from rpstn.occlusion.occluders import Occluder, occlude
from rpstn.occlusion.protocols import Protocol

__all__ = ["Occluder", "Protocol", "occlude"]
