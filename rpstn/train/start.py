"""The network before the first step: random weights, then those of the files that a run starts from."""

from __future__ import annotations

from rpstn.datasets.clip import ClipDataset
from rpstn.heatmaps import target_statistics
from rpstn.models.backbones import STRIDE
from rpstn.models.config import RPSTNConfig
from rpstn.models.image import FrameByFrame, ImageConfig, image_model
from rpstn.models.rpstn import RPSTN
from rpstn.models.starting import load_backbone, start_from, start_image_from, start_image_from_author
from rpstn.train.config import TrainConfig

Network = RPSTN | FrameByFrame


def new_model(config: TrainConfig, dataset: ClipDataset) -> tuple[Network, list[str]]:
    """Build the network of a run, and name its modules that come trained from `init`.

    Raises UserError for files that do not fit, and for those that were trained on another split of the data set.
    """
    described = config.model_config(dataset)
    if isinstance(described, ImageConfig):
        return _image_network(config, described, dataset)
    return _rpstn(config, described, dataset)


def _rpstn(config: TrainConfig, described: RPSTNConfig, dataset: ClipDataset) -> tuple[RPSTN, list[str]]:
    model = RPSTN(described)
    model.expect_targets(*target_statistics(config.data.sigma, config.data.size // STRIDE))
    trained = [] if config.init is None else start_from(model, config.init, dataset.skeleton, dataset.fold)
    if config.model.encoder_weights is not None:
        load_backbone(model.encoder, config.model.encoder_weights, dataset.fold)
    if config.model.initializer_weights is not None:
        load_backbone(model.initializer, config.model.initializer_weights, dataset.fold)
    return model, trained


def _image_network(config: TrainConfig, described: ImageConfig, dataset: ClipDataset) -> tuple[FrameByFrame, list[str]]:
    model = image_model(described)
    trained = [] if config.init is None else start_image_from(model, config.init, dataset.fold)
    if config.model.encoder_weights is not None:
        start_image_from_author(model, config.model.encoder_weights)
    return model, trained
