"""Checkpoints that are damaged: one error that names the file, what is wrong with it, and what to do."""

import pytest
import torch

from rpstn.errors import UserError
from rpstn.models import RPSTN, load_checkpoint, save_checkpoint, start_from

from .test_models import METADATA, small


def spoil(part, key, value):
    """Sets an entry of a checkpoint's part, or the part itself where no key is given; None for the value takes the entry out."""

    def spoiled(content):
        if key is None:
            content[part] = value
        elif value is None:
            content[part].pop(key)
        else:
            content[part][key] = value

    return spoiled


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (spoil("state_dict", None, None), "state_dict is no table"),
        (spoil("state_dict", None, {1: torch.zeros(1)}), "state_dict is no table"),
        (spoil("metadata", None, {}), "metadata has skeleton None"),
        (spoil("metadata", "size", "64"), "metadata has size '64'"),
        (spoil("metadata", "skeleton", "octopus"), "octopus"),
        (spoil("config", None, 3), "config is no table"),
        (spoil("config", "joints", 12), "12 joints.*13"),
        (spoil("config", "color", "red"), "color"),
        (spoil("config", "encoder", "resnet20"), "resnet20"),
        (spoil("state_dict", "head.conv.bias", "none"), "head.conv.bias are no tensor"),
        (spoil("state_dict", "head.conv.bias", torch.full((13,), torch.nan)), "head.conv.bias are not all finite"),
        (spoil("state_dict", "head.conv.bias", torch.zeros(12)), "conv.bias"),
        (spoil("state_dict", "head.conv.bias", None), "conv.bias"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_said_and_what_to_do(tmp_path, damage, said):
    """Once, naming the file, whether it is loaded or started from."""
    save_checkpoint(tmp_path / "a.pt", RPSTN(small()), METADATA)
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    damage(content)
    torch.save(content, tmp_path / "a.pt")
    for read in (load_checkpoint, lambda path: start_from(RPSTN(small()), path)):
        with pytest.raises(UserError, match=rf"(?s)a\.pt.*({said})") as caught:
            read(tmp_path / "a.pt")
        assert any(remedy in str(caught.value) for remedy in ("train again", "use another"))
