"""`rpstn bench`: this package against the released code's way of computing the same, in one run, as ratios.

Both sides alternate, so that a busy machine slows both; what is printed is the median of each side's times. Beside each
ratio stands how far the two results lie apart. On a CPU ours keeps its memory, as in training, and theirs runs in a process of
its own, as it would.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import default_collate
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import released_style
from benchmarks.timing import Row, alternate, apart, copy_rate, matmul_rate, yardstick
from rpstn.datasets.sources import FrameCache, ImageFrames
from rpstn.datasets.transforms import apply_affine, crop_affine, warp
from rpstn.errors import UserError
from rpstn.heatmaps import encode, heatmap_loss
from rpstn.models import RPSTN, RPSTNConfig, global_matching
from rpstn.runs import write_json
from rpstn.runs.devices import use_bf16


def bench(rows: tuple[str, ...] = (), *, out: str | Path = "runs/bench.json", quick: bool = False) -> list[Row]:
    """Runs the named comparisons (all, if none is named), prints a table, writes JSON. quick: small, to see that all works."""
    unknown = [name for name in rows if name not in ROWS]
    if unknown:
        raise UserError(f"there is no benchmark {unknown[0]!r}; there are {', '.join(ROWS)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{_machine(device)}\n\n{'what':56} {'theirs':>10} {'ours':>10} {'ratio':>7} {'asked':>6} {'apart':>9}", flush=True)
    done: list[Row] = []
    for name in rows or ROWS:
        for row in ROWS[name](device, quick):
            done.append(row)
            print(_line(row), flush=True)
        _save(done, out, device, quick)
    print(f"\n{out}")
    return done


def _line(row: Row) -> str:
    asked = "" if row.asked is None else f"{row.asked:g}"
    agreement = "" if row.agreement is None else f"{row.agreement:.1e}"
    more = "".join(f"  {key} {value}" for key, value in row.extra.items())
    times = f"{_time(row.theirs):>10} {_time(row.ours):>10} {row.ratio:6.1f}x"
    return f"{row.name + ', ' + row.setting:56} {times} {asked:>6} {agreement:>9}{more}"


def _save(rows: list[Row], out: str | Path, device: torch.device, quick: bool) -> None:
    values = [{**asdict(row), "ratio": row.ratio} for row in rows]
    write_json(Path(out), {"machine": _machine(device), "quick": quick, "rows": values})


def _machine(device: torch.device) -> str:
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{platform.machine()} CPU"
    return f"{name}, {torch.get_num_threads()} of {os.cpu_count()} cores, torch {torch.__version__}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.2f} ms"


def _matching(function: Callable, device: torch.device, quick: bool) -> Callable[[], list[torch.Tensor]]:
    """A call of one way of global matching, forward and backward, on features and kernels that are the same for all ways."""
    shape, side = ((2, 32, 32, 32), 5) if quick else ((2, 256, 64, 64), 7)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(shape, generator=generator).to(device).requires_grad_()
    kernels = torch.randn((*shape[:2], side, side), generator=generator).to(device).requires_grad_()
    weight = torch.randn(shape, generator=generator).to(device)

    def run() -> list[torch.Tensor]:
        out = function(features, kernels)
        return [out, *torch.autograd.grad(out, (features, kernels), weight)]

    return run


def matching_theirs(device: torch.device, quick: bool) -> Callable[[], list[torch.Tensor]]:
    return _matching(released_style.grouped_matching, device, quick)


def matching(device: torch.device, quick: bool) -> list[Row]:
    """Global matching, forward and backward."""
    ours = _matching(global_matching, device, quick)
    pairs = list(zip(ours(), matching_theirs(device, quick)(), strict=True))
    with yardstick(matching_theirs, device, quick) as theirs:
        seconds = alternate([theirs, ours], device, 3 if quick else 15, warm_up=True)
    # Three correlations of one size: forward, for the features, for the kernels. Each reads and writes the maps at least once.
    features, kernels = pairs[1][0], pairs[2][0]  # their gradients have their shapes
    side = kernels.shape[-1]
    operations, moved = 3 * 2 * features.numel() * side**2, 3 * 2 * 4 * features.numel()
    extra = {
        "share of matrix rate": _percent(operations / seconds[1] / matmul_rate(device, torch.float32, 256 if quick else 2048)),
        "share of copy rate": _percent(moved / seconds[1] / copy_rate(device, 2**20 if quick else 2**25)),
    }
    asked = 4 if device.type == "cuda" else 12
    setting = f"{tuple(features.shape)} {side}x{side}, forward + backward"
    return [Row("matching", setting, *seconds, max(apart(a, b) for a, b in pairs), asked, extra)]


def _networks(device: torch.device, quick: bool) -> tuple[RPSTN, RPSTN]:
    """Two copies of one network: for the released style, and for ours in the memory format it likes."""
    depths = ("resnet18", "resnet18") if quick else ("resnet101", "resnet50")
    torch.manual_seed(0)
    model = RPSTN(RPSTNConfig.released("penn_action", initializer=depths[0], encoder=depths[1])).to(device)
    return model, copy.deepcopy(model).to(memory_format=torch.channels_last)


def _clips(batch: int, length: int, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frames (B,T,3,S,S), joints (B,T,K,2) in input px, visibility (B,T,K)."""
    random = np.random.default_rng(0)
    frames = torch.from_numpy(random.standard_normal((batch, length, 3, size, size)).astype(np.float32))
    joints = torch.from_numpy(random.uniform(0, size - 1, (batch, length, 13, 2)).astype(np.float32))
    return frames, joints, torch.full(joints.shape[:3], 2, dtype=torch.uint8)


def _step_sizes(device: torch.device, quick: bool) -> tuple[int, int, int]:
    """Batch, frames, input side in px."""
    return (2, 2, 64) if quick else (8 if device.type == "cuda" else 2, 5, 256)


def step_theirs(device: torch.device, quick: bool) -> Callable[[], None]:
    batch, length, size = _step_sizes(device, quick)
    plain = _networks(device, quick)[0]
    style = released_style.ReleasedStyle(plain).train()
    frames, joints, _ = (part.to(device) for part in _clips(batch, length, size))
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-6, foreach=False)

    def run() -> None:
        maps = np.stack([released_style.targets(clip, size // 4, 4.0, 2.0) for clip in joints.cpu().numpy()])
        optimizer.zero_grad()
        released_style.loss(style(frames), torch.from_numpy(maps).to(device)).backward()
        optimizer.step()

    return run


def step(device: torch.device, quick: bool) -> list[Row]:
    """One training step: targets, forward, loss, backward, optimizer."""
    cuda = device.type == "cuda"
    batch, length, size = _step_sizes(device, quick)
    plain, model = _networks(device, quick)
    frames, joints, visibility = (part.to(device) for part in _clips(batch, length, size))
    with torch.inference_mode():
        agreement = apart(model.eval()(frames).heatmaps, released_style.ReleasedStyle(plain).eval()(frames))

    def ours(bf16: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                heatmaps = network(frames).heatmaps
            target = encode(joints, (size // 4, size // 4), 4, 2.0)
            optimizer.zero_grad(set_to_none=True)
            heatmap_loss(heatmaps.float(), target, visibility).backward()
            optimizer.step()

        return run

    model.train()
    with FlopCounterMode(display=False) as counter:
        model(frames).heatmaps.sum().backward()
    operations = counter.get_total_flops()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    network: nn.Module = torch.compile(model) if cuda and not quick else model
    name = f"{plain.config.initializer} + {plain.config.encoder}, T {length}, {size} px, batch {batch}"
    del plain
    found, repeats = [], 1 if quick else 7
    plans = [(False, 1.5, "fp32"), (True, 2.5, "bf16")] if not cuda else [(False, None, "fp32"), (True, 4.0, "bf16, compiled")]
    with yardstick(step_theirs, device, quick) as theirs:
        for bf16, asked, title in plans:
            if bf16 and not use_bf16("auto", device):
                continue
            peaks = [_peak(side, device) for side in (theirs, ours(bf16))] if cuda else [None, None]
            extra = {"memory ratio": round(peaks[1] / peaks[0], 2)} if cuda else {}
            seconds = alternate([theirs, ours(bf16)], device, repeats)
            rate = matmul_rate(device, torch.bfloat16 if bf16 else torch.float32, 256 if quick else 2048)
            extra["share of matrix rate"] = _percent(operations / seconds[1] / rate)
            found.append(Row(f"step {title}", name, *seconds, agreement, asked, extra))
    return found


def _peak(run: Callable[[], None], device: torch.device) -> float:
    """Bytes that a call needs at most."""
    run()
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return float(torch.cuda.max_memory_allocated(device))


def inference_theirs(device: torch.device, quick: bool) -> Callable[[], torch.Tensor]:
    size, count = (64, 10) if quick else (256, 20)
    style = released_style.ReleasedStyle(_networks(device, quick)[0]).eval()
    frames = _clips(1, count, size)[0].to(device)

    @torch.inference_mode()
    def run() -> torch.Tensor:
        return torch.cat([style(frames[:, start : start + 5]) for start in range(0, count, 5)], dim=1)

    return run


def inference(device: torch.device, quick: bool) -> list[Row]:
    """A long video. Theirs: clips of five frames, each started by the initializer again. Ours: `step`, frame by frame."""
    size, count = (64, 10) if quick else (256, 20)
    model = _networks(device, quick)[1].eval()
    frames = _clips(1, count, size)[0].to(device)

    @torch.inference_mode()
    def ours(bf16: bool, repeats: int = 1, times: list[float] | None = None) -> torch.Tensor:
        state, found = None, []
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for t in range(repeats * count):
                start = time.perf_counter()
                out, state = model.step(frames[:, t % count], state)
                found.append(out.heatmaps)
                if times is not None:
                    if device.type == "cuda":
                        torch.cuda.synchronize()
                    times.append(time.perf_counter() - start)
        return torch.cat(found, dim=1)

    # The first five frames are the same clip on both sides; after that theirs starts again.
    agreement = apart(ours(False)[:, :5], inference_theirs(device, quick)()[:, :5])
    found = []
    with yardstick(inference_theirs, device, quick) as theirs:
        for bf16 in (False, True) if use_bf16("auto", device) else (False,):
            seconds = alternate([theirs, lambda bf16=bf16: ours(bf16)], device, 1 if quick else 3)
            times: list[float] = []
            ours(bf16, 2 if quick else 6, times)
            early, late = (statistics.median(part) for part in (times[1 : count // 2], times[-(count // 2) :]))
            asked = (3.0 if device.type == "cuda" else 1.5) if bf16 or not use_bf16("auto", device) else None
            extra = {"frames/s": round(count / seconds[1], 1), "late/early frame": round(late / early, 2)}
            name = f"inference {'bf16' if bf16 else 'fp32'}"
            found.append(Row(name, f"{count} frames, {size} px", *seconds, agreement, asked, extra))
    return found


def loading(device: torch.device, quick: bool) -> list[Row]:
    """From JPEG files to a batch: decode, crop, rotate, targets, stack. One worker, that is, one thread.

    Our frames leave the worker as bytes; they become numbers on the device, within the step. In the rows "loading kept" they come
    decoded from the training's cache, as from the second epoch on; the released code's way decodes them in every epoch.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = []
    try:
        for (width, height), asked in (((160, 160), 5.0), ((480, 270), 3.0))[: 1 if quick else 2]:
            with tempfile.TemporaryDirectory() as folder:
                paths = _frames(Path(folder), width, height)
                found += _loading(paths, width, height, asked, quick)
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(-1)
    return found


def _frames(folder: Path, width: int, height: int) -> list[Path]:
    """Five frames of a clip of the embedded set, enlarged where needed, as JPEG files of the quality that it has there."""
    from rpstn.embedded.clips import draw_clip
    from rpstn.embedded.plan import plan_clips

    rendered, _ = draw_clip(plan_clips(0, {"train": 1})[0], 5, 160)
    paths = []
    for index, frame in enumerate(rendered.frames):
        paths.append(folder / f"{index:06d}.jpg")
        image = cv2.resize(frame[..., ::-1], (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(paths[-1]), image, [cv2.IMWRITE_JPEG_QUALITY, rendered.quality])
    return paths


_SAMPLE = {"size": 256, "sigma": 2.0}
_BATCH = 8


def _sample(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints (5,13,2) in pixels of the image, and a map (2,3) of it into the network's input."""
    joints = np.random.default_rng(0).uniform(0, (width - 1, height - 1), (5, 13, 2)).astype(np.float32)
    box = np.array([0.25 * width, 0.1 * height, 0.5 * width, 0.8 * height], np.float32)
    return joints, crop_affine(box, _SAMPLE["size"], rotation=20.0, scale=1.1)


def loading_theirs(paths: list[Path], width: int, height: int, device: torch.device, quick: bool) -> Callable[[], Any]:
    cv2.setNumThreads(1)  # for the process that this runs in
    joints, affine = _sample(width, height)
    return lambda: default_collate([released_style.load_window(paths, joints, affine, **_SAMPLE) for _ in range(_BATCH)])


def _loading(paths: list[Path], width: int, height: int, asked: float, quick: bool) -> list[Row]:
    cpu, (joints, affine) = torch.device("cpu"), _sample(width, height)
    source = ImageFrames(tuple(paths), (height, width))
    size, sigma = _SAMPLE["size"], _SAMPLE["sigma"]

    def window(read: Callable[[range], np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        placed = apply_affine(joints, affine).astype(np.float32)
        return torch.from_numpy(warp(read(range(5)), affine, size)), torch.from_numpy(placed)

    def ours(read: Callable[[range], np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        frames, placed = default_collate([window(read) for _ in range(_BATCH)])
        return frames, encode(placed, (size // 4, size // 4), 4, sigma)

    make = partial(loading_theirs, paths, width, height)
    reference = make(cpu, quick)()[1]
    found, what = [], f"{_BATCH} x 5 frames of {width}x{height} to {size} px"
    with yardstick(make, cpu, quick) as theirs:
        for name, read, least in (("loading", source.read, asked), ("loading kept", partial(FrameCache().read, source), None)):
            agreement = float((ours(read)[1] - reference).abs().max())
            seconds = alternate([theirs, partial(ours, read)], cpu, 3 if quick else 15, warm_up=True)
            found.append(Row(name, what, *seconds, agreement, least, {"clips/s": round(_BATCH / seconds[1], 1)}))
    return found


def relation(device: torch.device, quick: bool) -> list[Row]:
    """The JRE's share of a forward pass: the whole pass ("theirs") against the JRE alone ("ours"); 50 x is 2 %."""
    size, length = (64, 2) if quick else (256, 5)
    _, model = _networks(device, quick)
    frames = _clips(1, length, size)[0].to(device)
    maps = torch.randn(1, 13, size // 4, size // 4, device=device)
    found = []
    for bf16 in (False, True) if use_bf16("auto", device) else (False,):

        @torch.inference_mode()
        def whole(bf16: bool = bf16) -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                model.eval()(frames)

        @torch.inference_mode()
        def alone() -> None:
            for _ in range(length):
                model.relation(maps)

        seconds = alternate([whole, alone], device, 2 if quick else 5)
        extra = {"share": f"{100 * seconds[1] / seconds[0]:.2f} %"}
        found.append(Row(f"JRE's share {'bf16' if bf16 else 'fp32'}", f"{length} frames, {size} px", *seconds, None, 50.0, extra))
    return found


ROWS: dict[str, Callable[[torch.device, bool], list[Row]]] = {
    "matching": matching,
    "step": step,
    "inference": inference,
    "loading": loading,
    "relation": relation,
}


def load(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a JSON file that `bench` wrote."""
    return json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
