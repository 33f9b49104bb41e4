"""Networks: backbones, the joint relation extractor, the propagator, and RPSTN, which is made of them."""

from rpstn.models.backbones import BACKBONES, STRIDE, PoseResNet
from rpstn.models.checkpoints import load_checkpoint, save_checkpoint
from rpstn.models.config import RPSTNConfig
from rpstn.models.propagation import PoseSemanticsPropagator, global_matching, kernel_side
from rpstn.models.relation import JointRelationExtractor
from rpstn.models.rpstn import RPSTN, RPSTNOutput, State
from rpstn.models.starting import start_from

__all__ = [
    "BACKBONES",
    "RPSTN",
    "STRIDE",
    "JointRelationExtractor",
    "PoseResNet",
    "PoseSemanticsPropagator",
    "RPSTNConfig",
    "RPSTNOutput",
    "State",
    "global_matching",
    "kernel_side",
    "load_checkpoint",
    "save_checkpoint",
    "start_from",
]
