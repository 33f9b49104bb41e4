"""Image networks by description: built, started from other weights, and so kept in checkpoints and trained like RPSTN."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

from rpstn.errors import UserError, whole
from rpstn.models.checkpoints import check_fold, read_checkpoint
from rpstn.models.colours import take_rgb
from rpstn.models.image import (
    IMAGE_NETWORKS,
    FrameByFrame,
    WithRelation,
    image_network,
    load_official,
    official_input,
    with_relation,
)
from rpstn.models.relation import LAYOUTS, SCALES
from rpstn.models.released import _read
from rpstn.models.rpstn import INPUTS


@dataclass(frozen=True)
class ImageConfig:
    """An image network, with or without the JRE behind it. Raises ValueError for an unknown choice, TypeError for an unknown key.

    network          "small", or one of `rpstn.models.image.IMAGE_NETWORKS`.
    joints           K.
    relation         "on": the JRE behind the network. "off": the network alone.
    relation_layout  and relation_scale: of the `JointRelationExtractor`.
    input            what the pixels are, as in RPSTNConfig.
    skeleton         name of the skeleton whose joints these are, if it is a known one.
    """

    network: str
    joints: int
    relation: str = "on"
    relation_layout: str = "paper"
    relation_scale: str = "none"
    input: str = "rgb_imagenet"
    skeleton: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", whole("joints", self.joints))
        for name, known in (
            ("network", ("small", *IMAGE_NETWORKS)),
            ("relation", ("on", "off")),
            ("relation_layout", LAYOUTS),
            ("relation_scale", SCALES),
            ("input", INPUTS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")

    def to_dict(self) -> dict:
        """Plain values, as a checkpoint holds them."""
        return asdict(self)


def image_model(config: ImageConfig) -> FrameByFrame:
    """The network with random weights: frames (B,T,3,H,W) -> RPSTNOutput, every frame for itself.

    The JRE is made last, so that the same seed gives the network the same weights with and without it.
    """
    network: nn.Module = image_network(config.network, config.joints)
    if config.relation == "on":
        network = with_relation(network, config.joints, config.relation_layout, config.relation_scale)
    return FrameByFrame(network, config)


def start_image_from(model: FrameByFrame, path: str | Path, fold: int | None = None) -> list[str]:
    """Starts an image network from a checkpoint of the same one, with or without the JRE: what both have is copied.

    A JRE that the checkpoint lacks stays as it is, the identity. Returns the names of the modules copied.
    fold  official split that this network is to be trained on (`rpstn.models.checkpoints.check_fold`).
    Raises UserError where the networks, their joints, inputs or official splits differ.
    """
    content = read_checkpoint(path)
    check_fold(content["meta"], fold, path)
    other = content["config"]
    if "network" not in other:
        raise UserError(f"{path} holds an RPSTN, this network is {model.config.network}; give a checkpoint of that image network")
    for name in ("network", "joints", "skeleton", "input"):
        if other.get(name) != getattr(model.config, name):
            raise UserError(f"{path} has {name} {other.get(name)}, this network {getattr(model.config, name)}; choose the same")
    state = content["state_dict"]
    # With a JRE the network lies one level deeper.
    deep = "network.network." if other.get("relation") == "on" else "network."
    parts = {"network": (_bare(model), deep)}
    alike = all(other.get(name) == getattr(model.config, name) for name in ("relation", "relation_layout", "relation_scale"))
    if model.relation is not None and alike:
        parts["relation"] = (model.relation, "network.relation.")
    for module, prefix in parts.values():
        part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        try:
            module.load_state_dict(part, strict=True)
        except RuntimeError as error:
            raise UserError(f"{path}: the weights do not fit the network it names; the file is damaged. {error}") from error
    # The names as the model has them: with a JRE of its own, everything lies one level deeper.
    return [f"network.{name}" for name in parts] if model.relation is not None else list(parts)


def start_image_official(model: FrameByFrame, path: str | Path) -> bool:
    """Starts an image network from an official checkpoint of SimpleBaseline or HRNet; see `load_official`.

    Its last layer is taken where the file has as many joints as the skeleton **and** the skeleton is the one that those files are
    for: COCO's with 17 joints, MPII's with 16. Elsewhere the last layer stays random. SimpleBaseline's authors fed BGR: where
    this network takes RGB, its first layer is made to (`rpstn.models.colours`). Returns whether the last layer was taken.
    Raises UserError for a file that does not fit.
    """
    state, _ = _read(path)
    last = state.get("final_layer.weight")
    head = last is not None and len(last) == model.config.joints and model.config.skeleton in ("coco", "mpii")
    network = load_official(_bare(model), path, head=head)
    if (official_input(model.config.network), model.config.input) == ("bgr_imagenet", "rgb_imagenet"):
        take_rgb(network)
    return head


def check_image_size(size: int) -> None:
    """Raises ValueError for an input side in px that an image network cannot take."""
    if size < 32 or size % 32:
        raise ValueError(f"images of {size} x {size} px cannot be halved five times; use a multiple of 32 px a side")


def _bare(model: FrameByFrame) -> nn.Module:
    """The network without its JRE."""
    return model.network.network if isinstance(model.network, WithRelation) else model.network
