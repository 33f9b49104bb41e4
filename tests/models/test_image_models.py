"""Image networks: their published sizes and costs, their checkpoints' keys, and the JRE plugged onto any network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from rpstn.errors import UserError
from rpstn.evaluate.inference import run_model
from rpstn.heatmaps import encode
from rpstn.models.author_checkpoints import author_decode, flip_test, load_author_checkpoint
from rpstn.models.cost import cost
from rpstn.models.hrnet import HRNet
from rpstn.models.image import IMAGE_NETWORKS, FrameByFrame, SimpleBaseline, image_network, with_relation
from rpstn.skeletons import COCO

# Parameters in millions, and "GFLOPs" at 256 x 192, of the tables of Xiao et al. (2018) and Sun et al. (2019); 17 joints.
PUBLISHED = {
    "simplebaseline_resnet50": (34.0, 8.9),
    "simplebaseline_resnet101": (53.0, 12.4),
    "simplebaseline_resnet152": (68.6, 15.7),
    "hrnet_w32": (28.5, 7.1),
    "hrnet_w48": (63.6, 14.6),
}


@pytest.fixture(scope="module")
def hrnet():
    """HRNet-W32 in which every weight and every BatchNorm does something."""
    torch.manual_seed(0)
    network = HRNet("hrnet_w32", 17)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    nn.init.normal_(network.final_layer.weight)
    return network.eval()


class Tiny(nn.Module):
    """Somebody's network: 5 joints, a third of the size."""

    def __init__(self, joints=5):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, joints, 1))

    def forward(self, x):
        return self.body(x)


# Size and cost


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_flops_are_the_published_ones(name):
    with torch.device("meta"):
        network = image_network(name, 17)
    found, (parameters, flops) = cost(network, (256, 192)), PUBLISHED[name]
    assert found.parameters / 1e6 == pytest.approx(parameters, abs=0.1)
    assert found.published == pytest.approx(flops, rel=0.03)


def test_multiply_adds_by_hand():
    """Convolution, transposed convolution, linear layer and matrix product, each counted on paper."""

    class Four(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, 2, 1)
            self.deconv = nn.ConvTranspose2d(4, 6, 4, 2, 1)
            self.linear = nn.Linear(10, 7)

        def forward(self, x):
            x = self.deconv(self.conv(x))  # (1, 6, 8, 10)
            return self.linear(x), x.flatten(2) @ x.flatten(2).transpose(1, 2)

    found = cost(Four(), (8, 10))
    convolution, transposed, linear, product = 4 * 5 * 3 * 4 * 9, 4 * 5 * 4 * 6 * 16, 6 * 8 * 10 * 7, 6 * 6 * 80
    assert found.multiply_adds == convolution + transposed + linear + product
    # Tables count the transposed convolution at its output's size, and no product of two tensors.
    assert found.published * 2**30 == pytest.approx(convolution + 4 * transposed + linear, rel=1e-9)
    assert found.parameters == (108 + 4) + (384 + 6) + 77


def test_counting_leaves_the_network_as_it_was():
    network = Tiny().train()
    network.body[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = cost(network, (48, 48))
    assert cost(network, (48, 48)) == first and cost(network, (96, 48)).multiply_adds == 2 * first.multiply_adds
    assert network.training and network.body[0].training and not network.body[1].training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.body[0]._forward_hooks
    with pytest.raises(Exception, match="channels"):
        cost(nn.Conv2d(4, 4, 3))


def test_what_the_jre_costs():
    """K = 17 joints on 64 x 48 px: two 1x1 convolutions, the Gram matrix and the mix, K^2 h w multiply-adds each."""
    with torch.device("meta"):
        bare = image_network("hrnet_w32", 17)
        plugged = with_relation(bare)
    without, with_ = cost(bare), cost(plugged)
    assert with_.parameters - without.parameters == 2 * (17 * 17 + 17) + 2 * 17
    assert with_.multiply_adds - without.multiply_adds == 4 * 17**2 * 64 * 48


# Networks


@pytest.mark.parametrize("name", ["simplebaseline_resnet18", "hrnet_w32"])
def test_heatmaps_are_a_quarter_of_the_image(name):
    with torch.inference_mode():
        assert image_network(name, 14).eval()(torch.rand(1, 3, 64, 96)).shape == (1, 14, 16, 24)


def test_unknown_names_and_sizes_are_refused():
    with pytest.raises(ValueError, match="hrnet_w48"):
        image_network("hrnet_w64", 17)
    with pytest.raises(ValueError, match="hrnet_w32"):
        HRNet("w32", 17)
    with torch.device("meta"), pytest.raises(ValueError, match="multiples of 32"):
        HRNet("hrnet_w32", 17)(torch.rand(1, 3, 100, 64))
    assert len(IMAGE_NETWORKS) == 7


def test_hrnet_is_what_its_keys_say(hrnet):
    """The forward pass written out once more, from nothing but the names of the official checkpoint's tensors."""
    state = hrnet.state_dict()

    def unit(x, conv, norm, stride=1, relu=True):
        weight = state[f"{conv}.weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        parts = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = functional.batch_norm(x, *parts)
        return x.relu() if relu else x

    def block(x, at):
        last = 3 if f"{at}.conv3.weight" in state else 2
        y = x
        for n in range(1, last + 1):
            y = unit(y, f"{at}.conv{n}", f"{at}.bn{n}", relu=n < last)
        if f"{at}.downsample.0.weight" in state:
            x = unit(x, f"{at}.downsample.0", f"{at}.downsample.1", relu=False)
        return (x + y).relu()

    def fuse(x, at, source, target):
        if source > target:
            return functional.interpolate(unit(x, f"{at}.0", f"{at}.1", relu=False), scale_factor=2.0 ** (source - target))
        for step in range(target - source):
            x = unit(x, f"{at}.{step}.0", f"{at}.{step}.1", stride=2, relu=step < target - source - 1)
        return x

    images = torch.randn(1, 3, 64, 96)
    x = unit(unit(images, "conv1", "bn1", stride=2), "conv2", "bn2", stride=2)
    for n in range(4):
        x = block(x, f"layer1.{n}")
    branches = [unit(x, "transition1.0.0", "transition1.0.1"), unit(x, "transition1.1.0.0", "transition1.1.0.1", stride=2)]
    for stage, exchanges in ((2, 1), (3, 4), (4, 3)):
        for m in range(exchanges):
            for b in range(len(branches)):
                for n in range(4):
                    branches[b] = block(branches[b], f"stage{stage}.{m}.branches.{b}.{n}")
            at = f"stage{stage}.{m}.fuse_layers"
            targets = 1 if (stage, m) == (4, 2) else len(branches)
            rows = [[fuse(x, f"{at}.{i}.{j}", j, i) for j, x in enumerate(branches)] for i in range(targets)]
            branches = [torch.stack(row).sum(dim=0).relu() for row in rows]
        if stage < 4:
            at = f"transition{stage}.{stage}.0"
            branches.append(unit(branches[-1], f"{at}.0", f"{at}.1", stride=2))
    expected = functional.conv2d(branches[0], state["final_layer.weight"], state["final_layer.bias"])
    with torch.inference_mode():
        found = hrnet(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert found.std() > 0.01


def test_hrnet_has_the_official_keys(hrnet):
    state = hrnet.state_dict()
    assert len(state) == 1754  # of pose_hrnet_w32_256x192
    for key, shape in {
        "conv2.weight": (64, 64, 3, 3),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "transition1.0.0.weight": (32, 256, 3, 3),
        "transition1.1.0.0.weight": (64, 256, 3, 3),
        "stage2.0.branches.1.3.conv2.weight": (64, 64, 3, 3),
        "stage2.0.fuse_layers.1.0.0.0.weight": (64, 32, 3, 3),
        "transition2.2.0.1.running_mean": (128,),
        "stage3.3.fuse_layers.2.0.1.0.weight": (128, 32, 3, 3),
        "transition3.3.0.0.weight": (256, 128, 3, 3),
        "stage4.0.fuse_layers.3.0.1.1.bias": (32,),
        "stage4.2.fuse_layers.0.3.0.weight": (32, 256, 1, 1),
        "final_layer.bias": (17,),
    }.items():
        assert tuple(state[key].shape) == shape
    assert not any(key.startswith(("transition2.0", "transition3.1", "stage4.2.fuse_layers.1")) for key in state)


# Checkpoints


def test_official_checkpoints_load_by_their_own_keys(tmp_path):
    torch.manual_seed(0)
    theirs, ours = SimpleBaseline("resnet18", 17), SimpleBaseline("resnet18", 17)
    prefixed = {f"module.{key}": value for key, value in theirs.state_dict().items()}
    torch.save(theirs.state_dict(), tmp_path / "flat.pth")
    torch.save({"state_dict": prefixed, "epoch": 140, "perf": np.float64(0.7)}, tmp_path / "wrapped.pth.tar")
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = theirs.eval()(images)
        for source in (tmp_path / "flat.pth", tmp_path / "wrapped.pth.tar", theirs.state_dict()):
            nn.init.normal_(ours.conv1.weight)
            assert not torch.equal(ours(images), expected)
            loaded = load_author_checkpoint(ours.train(), source)
            assert loaded is ours and not loaded.training and torch.equal(loaded(images), expected)
        plugged = load_author_checkpoint(with_relation(SimpleBaseline("resnet18", 17)), tmp_path / "flat.pth")
        assert torch.equal(plugged(images), expected)


def test_hrnet_loads_strictly(hrnet, tmp_path):
    state = dict(hrnet.state_dict())
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}  # as older files are
    torch.save(state, tmp_path / "w32.pth")
    again = load_author_checkpoint(HRNet("hrnet_w32", 17), tmp_path / "w32.pth")
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(images), hrnet(images))
    state["stage3.9.extra"] = state.pop("stage2.0.fuse_layers.1.0.0.0.weight")
    state["final_layer.weight"] = torch.zeros(16, 32, 1, 1)
    with pytest.raises(UserError) as error:
        load_author_checkpoint(again, state)
    for said in (
        "1 missing: stage2.0.fuse_layers.1.0.0.0.weight",
        "1 unexpected: stage3.9.extra",
        r"final_layer.weight is (16, 32, 1, 1), not (17, 32, 1, 1)",
    ):
        assert said in str(error.value)


def test_the_head_may_stay_for_other_joints():
    theirs, ours = SimpleBaseline("resnet18", 16), SimpleBaseline("resnet18", 13)
    with pytest.raises(UserError, match="final_layer.weight is"):
        load_author_checkpoint(ours, theirs.state_dict())
    head = ours.final_layer.weight.clone()
    load_author_checkpoint(ours, theirs.state_dict(), head=False)
    assert torch.equal(ours.final_layer.weight, head) and torch.equal(ours.layer4[1].conv2.weight, theirs.layer4[1].conv2.weight)


def test_files_that_are_none_are_named(tmp_path):
    network = SimpleBaseline("small", 5)
    torch.save(SimpleNamespace(a=1), tmp_path / "code.pth")  # an object: loading it would run code
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    for name in ("code.pth", "cut.pth", "missing.pth"):
        with pytest.raises(UserError, match=name):
            load_author_checkpoint(network, tmp_path / name)


# The JRE on any network


@pytest.mark.parametrize("layout", ["paper", "released"])
@pytest.mark.parametrize("scale", ["none", "learned"])
def test_a_plugged_network_answers_as_before_until_it_is_trained(layout, scale):
    torch.manual_seed(0)
    network, images = Tiny(), torch.rand(2, 3, 30, 48)
    for mode in (True, False):
        plugged = with_relation(network, layout=layout, scale=scale).train(mode)
        assert torch.equal(plugged(images), network(images))
    heatmaps, relation = plugged.forward_with_relation(images)
    assert torch.equal(heatmaps, plugged(images)) and relation.shape == (2, 5, 5)
    sums = relation.sum(dim=2 if layout == "paper" else 1)
    torch.testing.assert_close(sums, torch.ones(2, 5))
    torch.testing.assert_close(relation, plugged.relation.relation(network(images)))


def test_training_changes_the_answer_and_can_leave_the_network_alone():
    torch.manual_seed(0)
    network, images = Tiny().eval(), torch.rand(4, 3, 48, 48)
    target = network(images).detach()[:, [1, 0, 2, 3, 4]]  # the JRE alone can exchange two joints' heatmaps
    plugged = with_relation(network.requires_grad_(False)).train()
    network.eval()
    before = [parameter.clone() for parameter in network.parameters()]
    optimizer = torch.optim.Adam([p for p in plugged.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(150):
        loss = (plugged(images) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert not torch.equal(plugged.eval()(images), network(images))


def test_joints_are_found_out_or_asked_for():
    assert with_relation(Tiny(7)).joints == 7
    with torch.device("meta"):
        assert with_relation(HRNet("hrnet_w32", 14)).joints == 14
    assert with_relation(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 9, 1)).double()).relation.g.weight.dtype == torch.float64
    with pytest.raises(ValueError, match="not heatmaps"):
        with_relation(nn.Sequential(nn.Flatten(), nn.Linear(3 * 256 * 256, 4, device="meta")))
    with pytest.raises(ValueError, match="pass joints="):
        with_relation(nn.Linear(7, 7))
    with pytest.raises(ValueError, match="layout"):
        with_relation(Tiny(), layout="rows")
    with pytest.raises(ValueError, match=r"\(B,6,h,w\), not \(1, 5"):
        with_relation(Tiny(), joints=6)(torch.rand(1, 3, 9, 9))


def test_an_image_network_runs_where_rpstn_runs():
    """Frames of clips, through the evaluation's own code, with the flip test: the same heatmaps as image by image."""
    torch.manual_seed(0)
    network = with_relation(Tiny(13))
    nn.init.ones_(network.relation.o[1].weight)
    network.eval()
    frames = torch.randint(0, 256, (2, 3, 48, 48, 3), dtype=torch.uint8)
    skeleton = SimpleNamespace(flip_permutation=tuple(range(13)))
    heatmaps, relations, kernels = run_model(FrameByFrame(network), {"input": "released_bgr255"}, skeleton, frames)
    assert heatmaps.shape == (2, 3, 13, 16, 16) and relations.shape == (2, 3, 13, 13) and kernels is None
    image = frames[1, 2].flip(-1).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        alone = network(image)[0]
    torch.testing.assert_close(heatmaps[1, 2], alone, rtol=1e-4, atol=1e-3)
    assert run_model(FrameByFrame(Tiny(13)), {"input": "released_bgr255"}, skeleton, frames)[1] is None
    with pytest.raises(ValueError, match=r"\(B,T,3,H,W\)"):
        FrameByFrame(network)(image)


# Reading an official network's heatmaps


def test_official_heatmaps_are_read_on_their_own_grid():
    """A peak on heatmap pixel (5, 9), the right neighbor higher than the left: 4 * 5.25 and 4 * 9, to 4 * 8.75."""
    heatmaps = torch.zeros(1, 1, 16, 12)
    heatmaps[0, 0, 9, 5], heatmaps[0, 0, 9, 6], heatmaps[0, 0, 8, 5] = 0.9, 0.5, 0.4
    joints, confidence = author_decode(heatmaps)
    assert joints[0, 0].tolist() == [21.0, 35.0] and confidence.item() == pytest.approx(0.9)


class Drawn(nn.Module):
    """Finds the bright spot of each color and draws it as a heatmap, on this project's grid or the official one."""

    def __init__(self, official):
        super().__init__()
        self.official = official

    def forward(self, images):
        spots = images.flatten(2).argmax(dim=-1)
        joints = torch.stack([spots % images.shape[-1], spots // images.shape[-1]], dim=-1).float()
        return encode(joints + (1.5 if self.official else 0.0), (16, 16))


@pytest.mark.parametrize("official", [False, True])
def test_the_flip_test_means_the_same_place(official):
    """Joints 1 and 2 change sides. On the project's grid the mean of both is the heatmap itself; on the official one it
    comes nearest to it with the shift.
    """
    images = torch.zeros(1, 3, 64, 64)
    for channel, (x, y) in enumerate(((20, 30), (40, 12), (33, 50))):
        images[0, channel, y, x] = 1.0

    class Seen(Drawn):
        def forward(self, images):
            mirrored = images[0, 0, 30, 20] == 0
            return super().forward(images[:, [0, 2, 1]] if mirrored else images)

    network = Seen(official)
    alone = network(images)
    errors = [float((flip_test(network, images, (0, 2, 1), shift=shift) - alone).abs().max()) for shift in (False, True)]
    if official:
        assert 0.01 < errors[1] < errors[0] / 2
    else:
        assert errors[0] < 1e-6 < errors[1]
    assert COCO.flip_permutation[5] == 6
