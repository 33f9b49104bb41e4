"""MoveNet: the numbers of Google's graph, its files read with care, and an encoder that starts where it stands."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rpstn.cli.main import main
from rpstn.errors import UserError
from rpstn.heatmaps import decode
from rpstn.models import RPSTN, RPSTNConfig, load_checkpoint
from rpstn.models.calibration import checksum
from rpstn.models.files import WEIGHTS, find_weights
from rpstn.models.movenet import JOINTS, SIDES, MoveNet, PoseMoveNet, decode_movenet, known_joints
from rpstn.models.movenet_files import read_movenet
from rpstn.models.pixels import normalize
from rpstn.models.starting import load_backbone
from rpstn.skeletons import SKELETONS, get_skeleton

GOLDEN = Path(__file__).parents[1] / "golden" / "movenet.npz"  # benchmarks/movenet_parity.py's other side, every fourth pixel
NAMES = sorted(SIDES)


@pytest.fixture(scope="module")
def compared():
    """MoveNet Thunder's outputs for a drawn person, and those of TensorFlow.js."""
    name = "movenet_thunder"
    with np.load(GOLDEN) as golden:
        theirs = {part: golden[f"{name}_{part}"] for part in ("png", "heatmaps", "center", "joints")}
    image = cv2.cvtColor(cv2.imdecode(theirs.pop("png"), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    model, metadata = load_checkpoint(name)
    pixels = normalize(torch.from_numpy(image)[None], metadata["input"])
    with torch.inference_mode():
        return name, model, pixels, model.network.heads(pixels), theirs


def test_outputs_are_those_of_the_published_graph(compared):
    _, model, pixels, output, theirs = compared
    np.testing.assert_allclose(output.heatmaps[..., 1::4, 2::4], theirs["heatmaps"], atol=1e-4)
    np.testing.assert_allclose(output.center[..., 1::4, 2::4], theirs["center"], atol=1e-4)
    torch.testing.assert_close(model(pixels[:, None]).heatmaps[:, 0], output.heatmaps)
    assert output.heatmaps.max() > 0.5  # it sees the person: the comparison is not one of empty maps


def test_joints_are_those_of_the_published_graph(compared):
    name, _, _, output, theirs = compared
    joints, confidence = decode_movenet(output)
    np.testing.assert_allclose(joints.flip(-1) / SIDES[name], theirs["joints"][..., :2], atol=1e-3)
    np.testing.assert_allclose(confidence, theirs["joints"][..., 2], atol=1e-4)


def test_an_encoder_starts_where_movenet_stands(compared):
    """Heads find MoveNet's peaks before any training, in the first frame and in those that matching carries into."""
    name, _, pixels, output, _ = compared
    torch.manual_seed(0)
    model = RPSTN(RPSTNConfig(joints=15, encoder=name, initializer="shared", relation="off", skeleton="sub_jhmdb"))
    assert load_backbone(model.encoder, name) == ["heatmaps", "pyramid"]
    pairs = known_joints(get_skeleton("sub_jhmdb"))
    assert len(pairs) == 13  # all but neck and belly
    frames = torch.nn.functional.interpolate(pixels, size=(192, 192))[:, None].expand(-1, 3, -1, -1, -1)
    with torch.inference_mode():
        found = model.eval()(frames).heatmaps[0][:, list(pairs)]
        there = model.encoder(frames[:, 0])[0, 96:][list(pairs.values())]
    torch.testing.assert_close(found[0], there, rtol=0, atol=1e-5)
    assert (decode(found[1])[0] - decode(there)[0]).norm(dim=-1).median() < 1  # new kernels are nearly a delta
    assert output.heatmaps.shape[1] == JOINTS


def test_known_joints_by_name():
    assert known_joints(SKELETONS["coco"]) == {index: index for index in range(17)}
    penn = known_joints(SKELETONS["penn_action"])
    assert penn[0] == 0 and len(penn) == 13  # the head is taken for the nose


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_those_published(name):
    millions = sum(parameter.numel() for parameter in MoveNet(name).parameters()) / 1e6
    assert round(millions, 1) == {"movenet_thunder": 6.2, "movenet_lightning": 2.3}[name]
    for side in (64, 96, 160):
        assert PoseMoveNet(name)(torch.zeros(1, 3, side, side)).shape == (1, 113, side // 4, side // 4)


@pytest.mark.parametrize("wrong", [{"input": "rgb_imagenet"}, {"input": "nonsense"}])
def test_other_pixels_than_it_knows_are_refused(wrong):
    assert RPSTNConfig(joints=13, encoder=NAMES[0]).input == "rgb_symmetric"
    assert RPSTNConfig(joints=13, encoder="small").input == "rgb_imagenet"
    with pytest.raises(ValueError, match="input"):
        RPSTNConfig(joints=13, encoder=NAMES[0], **wrong)
    with pytest.raises(ValueError, match="17 joints, not 13"):
        from rpstn.models.image import image_network

        image_network(NAMES[0], 13)


def test_what_is_shipped_says_where_it_comes_from():
    said = json.loads((WEIGHTS / "movenet_thunder.json").read_text(encoding="utf-8"))
    assert said["license"] == "Apache-2.0" and said["sha256"] == checksum(WEIGHTS / "movenet_thunder.safetensors")
    notice = (WEIGHTS / "NOTICE-movenet.txt").read_text(encoding="utf-8")
    assert said["source_sha256"] in notice and (WEIGHTS / "LICENSE-Apache-2.0.txt").is_file()
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) < 30e6
    with pytest.raises(UserError, match="rpstn convert"):
        find_weights("movenet_lightning")


def written(folder, model, quantized="float16"):
    """Write a network as TensorFlow.js does: the inverse of what reading has to do."""
    from rpstn.models import movenet_files

    names = {}
    for head, (hidden, output) in movenet_files._HEADS.items():
        names |= {
            f"{hidden}.depthwise.weight": f"{head}/separable_conv2d_3/separable_conv2d/ReadVariableOp",
            f"{hidden}.pointwise.weight": f"{head}/separable_conv2d_3/separable_conv2d/ReadVariableOp_1",
            f"{hidden}.pointwise.bias": f"{head}/separable_conv2d_3/BiasAdd/ReadVariableOp",
            f"{output}.weight": f"{head}/conv2d_4/Conv2D/ReadVariableOp",
            f"{output}.bias": f"{head}/conv2d_4/BiasAdd/ReadVariableOp",
        }
    stem = "center_net_mobile_net_v2fpn_feature_extractor/model_1"
    for key in model.state_dict():
        part, kind = key.removeprefix("pyramid.").rsplit(".", 1)
        ours = "weights" if kind == "weight" else "bn_offset"
        if part in ("stem", "last"):
            names[key] = f"{stem}/model/{'Conv1' if part == 'stem' else 'Conv_1'}/Conv2D_{ours}"
        elif part.startswith("groups."):
            _, group, index, step = part.split(".")
            number = sum(repeats for _, _, repeats, _ in movenet_files.GROUPS[: int(group)]) + int(index)
            block = f"block_{number}" if number else "expanded_conv"
            names[key] = f"{stem}/model/{block}_{step}/{'depthwise' if step == 'depthwise' else 'Conv2D'}_{ours}"
        elif part.startswith("smooth."):
            _, number, step = part.split(".")
            own = f"separable_conv2d{'' if number == '0' else '_' + number}"
            ending = {"depthwise.weight": "/ReadVariableOp", "pointwise.weight": "_weights", "pointwise.bias": "_bn_offset"}
            names[key] = f"{stem}/{own}/separable_conv2d{ending[f'{step}.{kind}']}"
        elif part in (theirs := {ours: theirs for theirs, ours in movenet_files._LATERAL.items()}):
            names[key] = f"{stem}/{theirs[part]}/{'Conv2D' if kind == 'weight' else 'BiasAdd'}/ReadVariableOp"
    entries, numbers = [], b""
    for key, value in model.state_dict().items():
        if value.ndim == 4:
            value = value.permute(2, 3, 0, 1) if ".depthwise." in key else value.permute(2, 3, 1, 0)
        array = value.numpy().astype(quantized)
        entries.append({"name": names[key], "shape": list(array.shape), "dtype": "float32", "quantization": {"dtype": quantized}})
        numbers += array.tobytes()
    (folder / "a.bin").write_bytes(numbers)
    content = {"format": "graph-model", "weightsManifest": [{"paths": ["a.bin"], "weights": entries}]}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json", content


@pytest.mark.parametrize("name", NAMES)
def test_files_of_tensorflow_are_read_and_converted(tmp_path, name, capsys):
    torch.manual_seed(0)
    model = MoveNet(name)
    path, _ = written(tmp_path, model)
    again, found = read_movenet(path)
    assert found == name
    for key, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], value, atol=1e-3, rtol=1e-3)
    out = tmp_path / "b.safetensors"
    assert main(["convert", str(path), "-o", str(out)]) == 0
    assert name in capsys.readouterr().out
    loaded, metadata = load_checkpoint(out)
    assert metadata["size"] == SIDES[name] and loaded.config.network == name


def _short(path, content):
    (path.parent / "a.bin").write_bytes((path.parent / "a.bin").read_bytes()[:-2])


def _long(path, content):
    (path.parent / "a.bin").write_bytes((path.parent / "a.bin").read_bytes() + b"\0\0")


def _absent(path, content):
    (path.parent / "a.bin").unlink()


def _typed(path, content):
    content["weightsManifest"][0]["weights"][0]["quantization"]["dtype"] = "uint4"
    path.write_text(json.dumps(content))


def _one_less(path, content):
    content["weightsManifest"][0]["weights"][3]["name"] = "somewhere/else"
    path.write_text(json.dumps(content))


def _layers(path, content):
    path.write_text(json.dumps(content | {"format": "layers-model"}))


def _other(path, content):
    content["weightsManifest"][0]["weights"] = content["weightsManifest"][0]["weights"][:0]
    (path.parent / "a.bin").write_bytes(b"")
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "said"),
    [(_short, "ends within"), (_long, "bytes"), (_absent, "a.bin, which is not there"), (_typed, "uint4"),
     (_one_less, "1 missing"), (_layers, "no graph model"), (_other, "not MoveNet")],
)  # fmt: skip
def test_files_that_are_damaged_or_something_else_are_refused_by_name(tmp_path, damage, said, capsys):
    path, content = written(tmp_path, MoveNet("movenet_lightning"))
    damage(path, content)
    with pytest.raises(UserError, match=said) as caught:
        read_movenet(path)
    assert str(path) in str(caught.value)
    assert main(["convert", str(path), "-o", str(tmp_path / "b.safetensors")]) == 2
    assert not (tmp_path / "b.safetensors").exists()
