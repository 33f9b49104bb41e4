"""The authors' own checkpoints of image networks, scored without training: every step against the same step spelled out."""

import json

import cv2
import numpy as np
import pytest
import torch

from rpstn.cli import main as cli
from rpstn.datasets import open_dataset
from rpstn.errors import UserError
from rpstn.evaluate.author_checkpoints import author_box, author_crop, load_author_network
from rpstn.evaluate.scoring import EvaluateConfig, evaluate
from rpstn.metrics.average_precision import oks_average_precision, similarity
from rpstn.models.author_checkpoints import author_decode, author_input
from rpstn.models.image import image_network
from rpstn.models.pixels import normalize
from rpstn.skeletons import COCO

from ..datasets import test_coco, test_mpii

PEOPLE = {51: [(901, [3.5, 2, 40.25, 44]), (902, [20, 0, 44, 30])], 52: [(903, [10, 12, 20.5, 31])]}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two images of noise with three people."""
    root = tmp_path_factory.mktemp("coco")
    people = [test_coco.person(identity, image, bbox=box) for image, rows in PEOPLE.items() for identity, box in rows]
    test_coco.write(root, "val2017", test_coco.content(PEOPLE, [entry | {"area": 1500.0} for entry in people]))
    generator = np.random.default_rng(0)
    for image in PEOPLE:
        noise = cv2.GaussianBlur(generator.uniform(0, 255, (test_coco.HEIGHT, test_coco.WIDTH, 3)), (0, 0), 3)
        noise = np.clip((noise - 127) * 6 + (160, 100, 60), 0, 255).astype(np.uint8)  # bluish: the order of colors matters
        cv2.imwrite(str(root / "val2017" / f"{image:012d}.jpg"), noise)
    boxes = [
        {"image_id": 51, "category_id": 1, "bbox": [2.0, 3.0, 41.5, 40.0], "score": 0.9},
        {"image_id": 51, "category_id": 1, "bbox": [2.0, 3.0, 41.5, 40.1], "score": 0.8},  # the same person once more
        {"image_id": 51, "category_id": 3, "bbox": [0.0, 0.0, 9.0, 9.0], "score": 0.9},  # no person
        {"image_id": 52, "category_id": 1, "bbox": [8.0, 9.0, 30.0, 33.0], "score": 0.4},
    ]
    (root / "detections.json").write_text(json.dumps(boxes))
    return root


def official_file(path, name, joints=17):
    """A file as the authors' scripts write it: made-up weights under their keys, behind DataParallel's prefix."""
    torch.manual_seed(3)
    network = image_network(name, joints)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # so that signals do not die on their way
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
    torch.nn.init.normal_(network.final_layer.weight, std=0.1)
    torch.save({f"module.{key}": value for key, value in network.state_dict().items()}, path)
    return path


def the_authors_way(network, path, box, colors, size=(256, 192)):
    """One person's joints (17,3): crop, network, mirror, peaks and the way back, each as the two repositories describe it."""
    height, width = size
    x, y, w, h = box
    center, aspect = np.array([x + w / 2, y + h / 2]), width / height
    w, h = max(w, h * aspect), max(h, w / aspect)
    scale = np.array([w, h]) * 1.25

    def affine(out, inverse=False):
        """From three points: the center, the middle of the upper edge, and the corner that makes them a right angle."""
        up = np.array([0, -scale[0] / 2])
        there, here = np.array(out) / 2, np.array([0, -out[0] / 2])
        source = np.float32([center, center + up, center + up + [up[1], 0]])
        target = np.float32([there, there + here, there + here + [here[1], 0]])
        return cv2.getAffineTransform(target, source) if inverse else cv2.getAffineTransform(source, target)

    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    image = image[..., ::-1] if colors == "rgb" else image
    crop = cv2.warpAffine(image, affine((width, height)), (width, height), flags=cv2.INTER_LINEAR)
    values = (crop / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    given = torch.from_numpy(values.transpose(2, 0, 1)).float()[None]
    with torch.no_grad():
        maps = network(given)[0].numpy()
        other = network(given.flip(3))[0].numpy()[:, :, ::-1].copy()
    for a, b in COCO.flip_pairs:
        other[[a, b]] = other[[b, a]]
    other[:, :, 1:] = other[:, :, :-1].copy()
    maps = (maps + other) / 2
    back, found = affine((width // 4, height // 4), inverse=True), []
    for plane in maps:
        py, px = divmod(int(plane.argmax()), plane.shape[1])
        position, confidence = np.array([px, py], float), plane.max()
        if confidence <= 0:
            position = np.zeros(2)
        elif 1 < px < plane.shape[1] - 1 and 1 < py < plane.shape[0] - 1:
            position[0] += 0.25 * np.sign(plane[py, px + 1] - plane[py, px - 1])
            position[1] += 0.25 * np.sign(plane[py + 1, px] - plane[py - 1, px])
        found.append([*(back @ [*position, 1]), confidence])
    return np.array(found)


# HRNet in a small crop: its time goes with the pixels.
@pytest.mark.parametrize(("name", "colors", "size"), [("simplebaseline_resnet18", "bgr", None), ("hrnet_w32", "rgb", (128, 96))])
def test_a_file_is_scored_as_its_authors_do_it(name, colors, size, root, tmp_path):
    path = official_file(tmp_path / "pose.pth", name)
    config = EvaluateConfig(
        path, "coco", root=root, network=name, flip_test=True, refine="quarter", detections=root / "detections.json",
        out=tmp_path / "out", device="cpu", batch=2, image_size=size,
    )  # fmt: skip
    result = evaluate(config, progress=False)
    network = image_network(name, 17).eval()
    network.load_state_dict({key.removeprefix("module."): value for key, value in torch.load(path, weights_only=True).items()})
    boxes = [entry for entry in json.loads((root / "detections.json").read_text()) if entry["category_id"] == 1]
    size = size or (256, 192)
    expected = [
        the_authors_way(network, root / "val2017" / f"{box['image_id']:012d}.jpg", box["bbox"], colors, size) for box in boxes
    ]
    confidences = np.stack([values[:, 2] for values in expected])
    assert np.ptp(confidences) > 1e-3
    for joints, confidence, values in zip(result.predictions.joints, result.predictions.confidence, expected, strict=True):
        np.testing.assert_allclose(joints[0], values[:, :2], atol=1e-3)
        np.testing.assert_allclose(confidence[0], values[:, 2], rtol=1e-3, atol=1e-5)
    # Rescored by hand, and the second detection of the same person dropped where it is as good as the first.
    weights = [value[value > 0.2].mean() if (value > 0.2).any() else 0 for value in confidences]
    scores = [box["score"] * weight for box, weight in zip(boxes, weights, strict=True)]
    area = [1.25**2 * max(w * h, w * w / 0.75, h * h * 0.75) for *_, w, h in (box["bbox"] for box in boxes)]
    alike = similarity(expected[0][:, :2], expected[1][None, :, :2], area[0], np.array(area[1:2]), COCO.sigmas)[0]
    kept = [0, 2] if alike > 0.9 else [0, 1, 2]
    if alike > 0.9 and scores[1] > scores[0]:
        kept = [1, 2]
    truth = json.loads((root / "annotations" / "person_keypoints_val2017.json").read_text())
    numbers = oks_average_precision(
        np.stack(expected)[kept], np.array(scores)[kept], np.array([box["image_id"] for box in boxes])[kept], truth
    )
    oks = result.metrics["oks"]
    assert oks["poses"] == len(kept) and oks["AP"] == pytest.approx(numbers["AP"]) and oks["AR"] == pytest.approx(numbers["AR"])
    assert result.metrics["boxes"] == "detector" and result.metrics["image_size"] == list(size)
    assert (result.metrics["network"], result.metrics["window"]) == (name, 1)


def test_ground_truth_boxes_lose_a_pixel_and_what_lies_outside(root, tmp_path):
    clips = {clip.id: clip for clip in open_dataset("coco", root, "test")}
    assert author_box(clips["000000000051_901"], 0, "coco").tolist() == [3.5, 2, 39.25, 43]
    assert author_box(clips["000000000051_902"], 0, "coco").tolist() == [20, 0, 43, 29]
    wide = test_coco.person(7, 51, bbox=[-4.0, 30.0, 30.0, 30.0])
    other = tmp_path / "other"
    other.mkdir()
    test_coco.write(other, "val2017", test_coco.content([51], [wide]))
    clip = open_dataset("coco", other, "test")[0]
    assert author_box(clip, 0, "coco").tolist() == [0, 30, 29, test_coco.HEIGHT - 1 - 30]
    assert author_box(clip, 0, "mpii").tolist() == [-4, 30, 30, 30]
    found = open_dataset("coco", root, "test", detections=root / "detections.json")[0]
    assert author_box(found, 0, "coco") == pytest.approx([2, 3, 41.5, 40])


def test_the_crop_grows_the_box_to_its_aspect():
    affine = author_crop(np.array([10, 20, 30, 80]), (256, 192))  # higher than 4 : 3
    np.testing.assert_allclose(affine @ [25, 60, 1], [96, 128])
    np.testing.assert_allclose(affine @ [25, 60 - 50, 1], [96, 0], atol=1e-9)  # 80 * 1.25 / 2 above the middle: the upper edge
    affine = author_crop(np.array([10, 20, 90, 80]), (256, 192))  # wider
    np.testing.assert_allclose(affine @ [55 - 56.25, 60, 1], [0, 128], atol=1e-9)
    with pytest.raises(ValueError, match="no crop"):
        author_crop(np.array([0, 0, 0, 5]), (256, 192))


def test_quarters_are_not_added_at_the_edge():
    maps = torch.zeros(1, 4, 8, 6)
    for joint, (row, column) in enumerate([(3, 1), (3, 2), (3, 4)]):
        maps[0, joint, row, column], maps[0, joint, row, column + 1], maps[0, joint, row + 1, column] = 1, 0.5, 0.5
    maps[0, 3] = -1.0
    joints, confidence = author_decode(maps)
    np.testing.assert_allclose(joints[0], 4 * np.array([[1, 3], [2.25, 3.25], [4.25, 3.25], [0, 0]]))
    assert confidence[0].tolist() == [1, 1, 1, -1]
    plain, _ = author_decode(maps, refine="none")
    np.testing.assert_allclose(plain[0, 1], [8, 12])


def test_colors_are_those_that_each_network_was_fed_with():
    assert author_input("simplebaseline_resnet50") == "bgr_imagenet" and author_input("hrnet_w48") == "rgb_imagenet"
    frame = torch.tensor([[[10, 20, 30]]], dtype=torch.uint8)
    expected = (np.array([30, 20, 10]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(normalize(frame, "bgr_imagenet")[:, 0, 0], expected, atol=1e-5)


def test_from_the_command_line(root, tmp_path, capsys):
    path = official_file(tmp_path / "pose_resnet.pth", "simplebaseline_resnet18")
    words = ["evaluate", "--checkpoint", str(path), "--network", "simplebaseline_resnet18", "--dataset", "coco"]
    out = ["--root", str(root), "--flip-test", "--refine", "quarter", "--device", "cpu", "--out", str(tmp_path / "out")]
    assert cli.main([*words, *out]) == 0
    told = capsys.readouterr().out
    assert "simplebaseline_resnet18, crops of 256 x 192 px" in told and "OKS AP" in told and "ground-truth boxes" in told
    assert "PCK@0.2 in percent, by person size" in told
    found = ["--detections", str(root / "detections.json"), "--image-size", "128", "96"]
    assert cli.main([*words, *out, *found]) == 0
    told = capsys.readouterr().out
    assert "PCK by person size: none" in told and "a detector's boxes" in told and "PCK@0.2" not in told
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["image_size"] == [128, 96]
    assert cli.main([*words, *out, "--image-size", "100", "96"]) == 2
    assert "image_size 100 96" in capsys.readouterr().err


def test_mpii_files_are_scored_by_pckh(tmp_path):
    root = tmp_path / "mpii"
    test_mpii.write_lists(root, [test_mpii.entry(1)], [test_mpii.entry(index) for index in range(100, 103)])
    path = official_file(tmp_path / "mpii.pth", "simplebaseline_resnet18", 16)
    config = EvaluateConfig(path, "mpii", root=root, network="simplebaseline_resnet18", out=tmp_path / "out", device="cpu")
    metrics = evaluate(config, progress=False).metrics
    assert metrics["image_size"] == [256, 256] and 0 <= metrics["pckh"]["mean"] <= 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"network": "simplebaseline_resnet34"}, "does not fit"),
        ({"network": "resnet18"}, "no network of the authors"),
        ({"dataset": "mpii"}, "coco.*mpii"),
        ({"joints": 13}, "13 joints"),
        ({"image_size": (0, 96)}, "image_size 0 96"),
    ],
)
def test_what_does_not_fit_is_named(changes, reason, root, tmp_path):
    name = "simplebaseline_resnet18"
    path = official_file(tmp_path / "pose.pth", name, changes.get("joints", 17))
    place = root
    if changes.get("dataset") == "mpii":
        place = tmp_path / "mpii"
        test_mpii.write_lists(place, [test_mpii.entry(1)], [test_mpii.entry(2)])
    given = {"dataset": "coco", "network": name} | {key: value for key, value in changes.items() if key != "joints"}
    with pytest.raises(UserError, match=reason):
        evaluate(EvaluateConfig(path, root=place, out=tmp_path / "out", device="cpu", **given), progress=False)


def test_the_size_needs_the_network(tmp_path):
    with pytest.raises(UserError, match="image_size"):
        EvaluateConfig(tmp_path / "a.pt", image_size=(256, 192))
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth.*final_layer"):
        load_author_network(tmp_path / "a.pth", "hrnet_w32")
