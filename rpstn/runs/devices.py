"""Which device computes, and in which precision: found on the machine, or as asked for."""

from __future__ import annotations

from collections.abc import Callable

import torch

from rpstn.errors import UserError

PRECISIONS = ("auto", "fp32", "bf16")

# What computes here: how many of each kind torch finds.
_KINDS: dict[str, Callable[[], int]] = {
    "cpu": lambda: 1,
    "cuda": lambda: torch.cuda.device_count() if torch.cuda.is_available() else 0,
    "mps": lambda: int(torch.backends.mps.is_available()),
    "xpu": lambda: torch.xpu.device_count() if torch.xpu.is_available() else 0,
}


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Choose a device by its name, such as cuda:1; "auto": cuda or mps where one is there, else the CPU.

    Raises UserError for a device that is not there, and for one that this package does not compute on.
    """
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if _KINDS[kind]()))
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in _KINDS:
        raise UserError(f"device {str(name)!r} is none that can be used here; use auto, cpu, cuda, mps or xpu")
    count = _KINDS[device.type]()
    if not count:
        raise UserError(
            f"device {device} was asked for, but torch finds no {device.type} device; use auto or cpu, or install a build of "
            f"torch for {device.type}"
        )
    if (device.index or 0) >= count:
        raise UserError(f"device {device} was asked for, but the last one that torch finds is {device.type}:{count - 1}; use it")
    return device


def use_bf16(precision: str, device: torch.device) -> bool:
    """Say whether to compute in bfloat16: "auto" does where the hardware has it, and not where it would be emulated.

    Raises UserError for a precision that is none of PRECISIONS.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision {precision!r} is not known; use {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return device.type == "cpu" and any(check() for check in checks if check is not None)
