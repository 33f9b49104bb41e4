"""What a network costs: parameters, multiply-adds, time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from statistics import median

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

PUBLISHED_UNIT = 2**30


@dataclass(frozen=True)
class Cost:
    """The cost of one image.

    parameters     of all modules, each counted once.
    multiply_adds  of all convolutions, linear layers and matrix products, as they are computed. "FLOPs" in papers on pose
                   means this number; twice as many operations.
    published      the number that SimpleBaseline's and HRNet's tables print, in their "G". It differs in three ways: it is
                   divided by 2^30, not 10^9; a transposed convolution is counted as if every weight met every output pixel,
                   stride^2 times too often (a third of SimpleBaseline's total); products of two tensors are not in it.
    """

    parameters: int
    multiply_adds: int
    published: float


def cost(network: nn.Module, size: tuple[int, int] = (256, 192)) -> Cost:
    """Cost of a network (B,3,H,W) -> anything, for one image of size (height, width) px, in evaluation mode.

    Nothing is computed: the network runs on tensors without storage, so this is quick and the network keeps its values, its
    device and its mode. It must not make tensors of its own on a fixed device. Raises whatever the network raises for
    that size.
    """
    tables = 0

    def count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal tables
        places = output.shape[:-1] if isinstance(module, nn.Linear) else output.shape[2:]
        tables += module.weight.numel() * prod(places)

    layers = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [module.register_forward_hook(count) for module in network.modules() if isinstance(module, layers)]
    try:
        with FlopCounterMode(display=False) as counter:
            dry_run(network, size)
    finally:
        for hook in hooks:
            hook.remove()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counter.get_total_flops() // 2, tables / PUBLISHED_UNIT)


def dry_run(network: nn.Module, size: tuple[int, int]) -> torch.Tensor:
    """What the network returns for an image (1,3,height,width), with its shape and without values, in evaluation mode."""
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    kind = next((value.dtype for value in network.parameters() if value.is_floating_point()), torch.float32)
    # Tensors that say they are on the CPU, and hold nothing: the meta device has no autocast, which the JRE turns off.
    with torch.no_grad(), evaluation(network), FakeTensorMode():
        empty = {name: torch.empty(value.shape, dtype=value.dtype) for name, value in state.items()}
        return functional_call(network, empty, torch.empty(1, 3, *size, dtype=kind))


@torch.inference_mode()
def seconds_per_image(
    networks: Mapping[str, nn.Module], size: tuple[int, int] = (256, 192), *, repeats: int = 20
) -> dict[str, float]:
    """Median time in seconds of one image of size (height, width) px through each network (B,3,H,W), in evaluation mode.

    The networks take turns, each time another one first, so that whatever else the machine does meets all of them alike. One
    image at a time, each on its network's own device; the first turn is not counted. Raises ValueError for no repeats.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, not {repeats}")
    spent: dict[str, list[float]] = {name: [] for name in networks}
    names = list(networks)
    for turn in range(repeats + 1):
        first = turn % max(1, len(names))
        for name in names[first:] + names[:first]:
            network = networks[name]
            example = next(network.parameters(), torch.empty(0))
            image = torch.zeros(1, 3, *size, dtype=example.dtype, device=example.device)
            with evaluation(network):
                _wait(example.device)
                started = time.perf_counter()
                network(image)
                _wait(example.device)
                if turn:
                    spent[name].append(time.perf_counter() - started)
    return {name: median(times) for name, times in spent.items()}


def _wait(device: torch.device) -> None:
    """Until the device has done what it was given: a GPU works while the caller goes on."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def evaluation(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; afterwards each module is in the mode it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
