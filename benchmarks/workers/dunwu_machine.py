"""What the machine can do, measured with torch: matrix multiplications and memory, driven by `benchmarks.machine`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from talk import claim_stdout, orders, settings

ENOUGH_SECONDS = 0.5
LARGE = 1024
TRIAD_BYTES = 2**28


def per_second(work: float, run: Callable[[], Any], device: torch.device) -> float:
    """``work`` done by each ``run``, per second: the best of as many runs as fit, since only disturbances can make one slower."""
    run()
    best, end = float("inf"), time.perf_counter() + ENOUGH_SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    return work / best


def square(dtype: torch.dtype, device: torch.device) -> float:
    """FLOP/s of large square products."""
    size = LARGE if device.type == "cpu" else 8 * LARGE
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return per_second(2 * size**3, lambda: left @ right, device)


def own(linears: Sequence[tuple[int, int]], rows: int, dtype: torch.dtype, device: torch.device) -> float:
    """FLOP/s of a model's own products, one after another, each with its own weights, ``rows`` tokens at a time."""
    weights = [torch.randn(shape, device=device).to(dtype) for shape in linears]
    inputs = {width: torch.randn(rows, width, device=device).to(dtype) for _, width in linears}

    def run() -> None:
        for weight in weights:
            torch.nn.functional.linear(inputs[weight.shape[1]], weight)

    return per_second(sum(2 * rows * out * width for out, width in linears), run, device)


def triad(size: int, device: torch.device) -> float:
    """Bytes per second of ``a = b + s c`` (McCalpin's STREAM), ``size`` bytes in the three arrays together: two read, one written."""
    count = size // 12
    a, b, c = (torch.ones(count, device=device) for _ in range(3))
    return per_second(12 * count, lambda: torch.add(b, c, alpha=3.0, out=a), device)


@torch.inference_mode()
def rates(order: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Answer one order; rates by precision, and of memory for large arrays and for ones as large as the weights."""
    found: dict[str, Any] = {"bandwidth": triad(TRIAD_BYTES, device), "bandwidth_of_weights": triad(order["bytes"], device)}
    for name in ("float32", "bfloat16"):
        dtype = getattr(torch, name)
        found[name] = {"large": square(dtype, device), "own": own(order["linears"], order["rows"], dtype, device)}
    return found


def main() -> None:
    answer, given = claim_stdout(), settings()
    torch.set_num_threads(given["threads"])
    device = torch.device(given["device"])
    answer({"versions": {"torch": torch.__version__}})
    for order in orders():
        answer(rates(order, device))


if __name__ == "__main__":
    main()
