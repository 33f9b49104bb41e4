"""Convolutions with an activation: with TensorFlow's padding, and, where nothing is learned, in one pass over memory on a CPU.

PyTorch's eager mode writes a convolution's result to memory, reads it again for the activation, and rearranges the weights for
the CPU's library at every call. oneDNN, the library that it ships, does both at once. PyTorch reaches it through the operators
that its compiler generates calls to; where one lacks them, or on another device, the plain modules compute the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

# An activation by name: what computes it, and what oneDNN's operator calls it, with its numbers.
ACTIVATIONS: dict[str, tuple[Any, tuple[str, list[float], str]]] = {
    "none": (None, ("none", [], "")),
    "relu": (F.relu, ("relu", [], "")),
    "relu6": (F.relu6, ("hardtanh", [0.0, 6.0], "")),
}
_SHAPES = 4  # of inputs, for which arranged weights are kept


class SameConv(nn.Conv2d):
    """Convolve with TensorFlow's "same" padding, then activate: with stride 2 the odd pixel goes to the right and bottom."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        activation: str = "none",
    ):
        # Stride 1 pads both sides alike, which the convolution does itself, without copying its input.
        super().__init__(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups, bias=bias)
        self.activation = activation
        missing = 0 if stride == 1 else kernel - stride  # for even sizes
        self.before = (missing // 2, missing - missing // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.groups == 1 or x.device.type != "cpu":
            return self._convolve(x)
        # In 16 bits a CPU computes depthwise convolutions many times slower; all others keep the autocast's precision.
        with torch.autocast("cpu", enabled=False):
            return self._convolve(x.float())

    def _convolve(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(F.pad(x, self.before * 2) if any(self.before) else x)
        activate = ACTIVATIONS[self.activation][0]
        return y if activate is None else activate(y, inplace=True)


class FusedConvolution(nn.Module):
    """Convolve and activate: activation(conv(pad(x))), (B,C,H,W) -> (B,C',H',W'). What predicts only: nothing is learned here.

    conv        whose weights and settings are taken over, under the same names.
    activation  of ACTIVATIONS.
    before      pixels of zeros added at the left and top, and at the right and bottom, which are at least as many, beside the
                convolution's own padding.
    Computes in bfloat16 under such an autocast, else in the weights' own precision. Raises ValueError for an unknown activation.
    """

    def __init__(self, conv: nn.Conv2d, activation: str = "none", before: tuple[int, int] = (0, 0)):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"no activation is called {activation!r}; known are {', '.join(ACTIVATIONS)}")
        self.weight, self.bias = conv.weight, conv.bias
        self.in_channels, self.out_channels = conv.in_channels, conv.out_channels
        self.activation = activation
        # Unequal padding is a larger kernel whose first rows and columns are zero, with equal padding: nothing is copied.
        low, high = before
        self.extra = high - low
        padding = [side + high for side in _numbers(conv.padding)]
        self.settings = (padding, list(conv.stride), list(conv.dilation), conv.groups)
        self._packed: dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor | None]] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        plain, known_as = ACTIVATIONS[self.activation]
        if not _is_available(x, self.weight):
            padding, stride, dilation, groups = self.settings
            y = F.conv2d(x, self._larger(self.weight), self.bias, stride, padding, dilation, groups)
            return y if plain is None else plain(y)
        bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        # Laid out otherwise, everything from here on would be rearranged for each convolution.
        x = x.to(torch.bfloat16 if bf16 else self.weight.dtype, memory_format=torch.channels_last)
        return torch.ops.mkldnn._convolution_pointwise(x, *self._pack(x), *self.settings, *known_as)

    def _larger(self, weight: torch.Tensor) -> torch.Tensor:
        return F.pad(weight, (self.extra, 0) * 2) if self.extra else weight

    def _pack(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return weight and bias arranged for inputs of this shape; again where they have changed since."""
        key = (tuple(x.shape), x.dtype, self.weight.data_ptr(), -1 if self.weight.is_inference() else self.weight._version)
        if key not in self._packed:
            if len(self._packed) >= _SHAPES:
                self._packed.clear()
            weight = self._larger(self.weight.detach().to(x.dtype))
            packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.settings, list(x.shape))
            self._packed[key] = packed, None if self.bias is None else self.bias.detach().to(x.dtype)
        return self._packed[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": {}}  # arranged weights neither copy nor pickle


def fuse(module: nn.Module, fold: bool = False) -> nn.Module:
    """Replace the convolutions in a module by fused ones with the same weights, in place; return it. For what learns no more.

    fold  BatchNorms that follow a convolution in an nn.Sequential go into its weights, in evaluation mode: the names of weights
          change, and numbers by their rounding.
    """
    for name, child in list(module.named_children()):
        if isinstance(child, SameConv):
            setattr(module, name, FusedConvolution(child, child.activation, child.before))
        elif type(child) is nn.Conv2d and child.padding_mode == "zeros":
            setattr(module, name, FusedConvolution(child))
        elif fold and isinstance(child, nn.Sequential) and not child.training:
            setattr(module, name, _fold(child))
        else:
            fuse(child, fold)
    return module


def _fold(layers: nn.Sequential) -> nn.Sequential:
    """Fuse convolutions with the BatchNorm and the ReLU that follow them."""
    folded: list[nn.Module] = []
    rest = list(layers)
    while rest:
        layer = rest.pop(0)
        if type(layer) is not nn.Conv2d or layer.padding_mode != "zeros":
            folded.append(fuse(layer, fold=True))
            continue
        if rest and isinstance(norm := rest[0], nn.BatchNorm2d):
            layer = fuse_conv_bn_eval(layer, norm)
            rest.pop(0)
        activation = "relu" if rest and isinstance(rest[0], nn.ReLU) else "none"
        folded.append(FusedConvolution(layer, activation))
        rest = rest[activation == "relu" :]
    return nn.Sequential(*folded)


def _numbers(padding: Any) -> list[int]:
    if isinstance(padding, str):
        raise ValueError(f"padding {padding!r} is not known in numbers; give the convolution whole numbers")
    return list(padding)


def _is_available(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Tell whether oneDNN can compute this here: on a CPU, outside of tracing, with nothing to learn."""
    learns = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if learns or type(x) is not torch.Tensor or x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return _has_operator()


@cache
def _has_operator() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
