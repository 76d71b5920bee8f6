"""Fits the weights of the teacher `shapes` and measures them.

    python benchmarks/fit_shapes_teacher.py            # fits, writes, measures
    python benchmarks/fit_shapes_teacher.py --measure  # measures what is there

Fitting needs PyTorch, 2 GB of memory and some 8 minutes of one core; it never sees
the compositions that are `held_out`. The same seed, processor and versions give
the same weights; elsewhere rounding leads to others that are as good.
"""

import argparse
import collections
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from shapes_crops import (
    AXES,
    FILTERS,
    clean,
    dataset,
    labels,
    proposal,
    seen_proposal,
    squashed,
)

from vild.data.drawn import Drawing, drawings
from vild.data.drawn_background import background
from vild.files import replacing
from vild.teachers import packed, shapes
from vild.teachers.shapes_features import STRIDES

WEIGHTS = Path(shapes.__file__).with_name("shapes_weights.npz")
# Side of the kernel and outputs of each convolution.
LAYERS = ((5, 16), (3, 32), (3, 32), (3, 56), (3, 56), (3, 56))

Make = Callable[[Drawing, np.random.Generator], np.ndarray]
CROPS: dict[str, Make] = {
    "64 pixels": lambda drawing, rng: clean(drawing, rng, 64, 1.0),
    "64 pixels, 1.5x": lambda drawing, rng: clean(drawing, rng, 64, 1.5),
    "32 pixels": lambda drawing, rng: clean(drawing, rng, 32, 1.0),
    "16 pixels": lambda drawing, rng: clean(drawing, rng, 16, 1.0),
    "proposals": seen_proposal,
}


def network():
    from torch import nn

    layers, channels = [], 3
    for (side, outputs), stride in zip(LAYERS, STRIDES, strict=True):
        layers += [
            nn.Conv2d(channels, outputs, side, stride, side // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
        channels = outputs
    words = sum(map(len, AXES)) + 1
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(16 * channels, words)
    )


def fit(count: int, epochs: int, seed: int, batch: int = 128):
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    torch.set_num_threads(1)  # as fast beside other work, and the sums do not vary
    start = time.perf_counter()
    images, targets, told = map(torch.from_numpy, dataset(count, seed))
    print(f"{count} crops drawn in {time.perf_counter() - start:.0f} s", flush=True)
    net = network().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.02)
    steps = epochs * (count // batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps, pct_start=0.2)
    sizes = [len(axis) for axis in AXES]
    for epoch in range(epochs):
        losses = []
        for index in torch.randperm(count)[: steps // epochs * batch].split(batch):
            x = images[index].permute(0, 3, 1, 2).float() / 127.5 - 1
            if torch.rand(()) < 0.5:
                x = x.flip(3)
            # Crops wrap around by a few pixels: cheap, and as good as drawing anew.
            x = x.roll(torch.randint(-2, 3, (2,)).tolist(), (2, 3))
            rows = net(x.contiguous(memory_format=torch.channels_last))
            loss = functional.binary_cross_entropy_with_logits(rows[:, -1], told[index])
            for part, wanted in zip(
                rows[:, :-1].split(sizes, 1), targets[index].T, strict=True
            ):
                each = functional.cross_entropy(part, wanted, reduction="none")
                loss = loss + (each * told[index]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            rate.step()
            losses.append(loss.item())
        print(
            f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return net.eval()


def export(net) -> dict[str, np.ndarray]:
    """Weights for NumPy: normalisation folded in, (rows, columns, in, out)."""
    weights = {"words": np.array([*shapes.KNOWN, "nothing"])}
    modules = list(net)
    for layer in range(len(LAYERS)):
        convolution, norm = modules[3 * layer : 3 * layer + 2]
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        kernel = convolution.weight * factor[:, None, None, None]
        weights[f"kernel{layer}"] = kernel.detach().permute(2, 3, 1, 0).numpy()
        bias = norm.bias - norm.running_mean * factor
        weights[f"bias{layer}"] = bias.detach().numpy()
    last = modules[-1]
    kernel = last.weight.detach().reshape(len(last.bias), LAYERS[-1][1], -1)
    # PyTorch flattens channels first, NumPy channels last.
    kernel = kernel.permute(2, 1, 0).reshape(-1, len(last.bias))
    weights[f"kernel{len(LAYERS)}"] = kernel.numpy()
    weights[f"bias{len(LAYERS)}"] = last.bias.detach().numpy()
    return {
        name: array if name == "words" else array.astype(np.float16)
        for name, array in weights.items()
    }


def measure(seed: int) -> None:
    """Finds names among all compositions by cosine; sees nothing; times itself."""
    teacher = shapes.Shapes()
    text = teacher.encode_text([drawing.name for drawing in drawings()])
    print(f"{'':26}  top-1  top-5 | colour pattern  shape | cosine with its name")
    for title, make in CROPS.items():
        wrong: collections.Counter[str] = collections.Counter()
        for held_out in (False, True):
            # As many crops of the 140 held out as of the 560 others.
            repeats = 4 if held_out else 1
            wrong += retrieve(teacher, text, title, make, held_out, repeats, seed)
        worst = ", ".join(f"{pair} {n}" for pair, n in wrong.most_common(6))
        print(f"    mistaken: {worst or 'none'}")
    rng = np.random.default_rng(seed)
    empty = [squashed(background(50, 50, rng), FILTERS[0]) for _ in range(500)]
    beside = [proposal(None, rng)[0] for _ in range(500)]
    for title, crops in ("no drawing", empty), ("parts of neighbours", beside):
        top = (teacher.encode_image(np.stack(crops)) @ text.T).max(axis=1)
        print(
            f"{title}: best cosine {np.median(top):.2f} (median), "
            f"{np.quantile(top, 0.95):.2f} (95 %), above 0.6: {(top > 0.6).mean():.1%}"
        )
    start = time.perf_counter()
    teacher.encode_image(np.stack(empty + beside))
    print(f"{1000 / (time.perf_counter() - start):.0f} crops/s")


def retrieve(
    teacher: shapes.Shapes,
    text: np.ndarray,
    title: str,
    make: Make,
    held_out: bool,
    repeats: int,
    seed: int,
) -> collections.Counter[str]:
    """Prints a line of the table; returns which words were taken for which."""
    rng = np.random.default_rng(seed)
    everything = drawings()
    chosen = [i for i, d in enumerate(everything) if d.held_out == held_out] * repeats
    crops = np.stack([make(everything[i], rng) for i in chosen])
    scores = teacher.encode_image(crops) @ text.T
    own = scores[np.arange(len(chosen)), chosen]
    rank = (scores > own[:, None]).sum(axis=1)
    words = np.array([labels(drawing) for drawing in everything])
    found, true = words[scores.argmax(axis=1)], words[chosen]
    shares = (rank < 1).mean(), (rank < 5).mean(), *(found == true).mean(axis=0)
    one, five, colour, pattern, shape = (f"{share:7.1%}" for share in shares)
    print(
        f"{title + (', held out' if held_out else ', fitted'):26}{one}{five} |"
        f"{colour} {pattern}{shape} | median {np.median(own):.2f}"
    )
    return collections.Counter(
        f"{axis[b]} as {axis[a]}"
        for row, wanted in zip(found, true, strict=True)
        for axis, a, b in zip(AXES, row, wanted, strict=True)
        if a != b
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="fit nothing")
    parser.add_argument("--crops", type=int, default=60000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not arguments.measure:
        weights = export(fit(arguments.crops, arguments.epochs, arguments.seed))
        with replacing(WEIGHTS) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **weights)
        packed.packed_weights.cache_clear()
    digest = shapes.Shapes().fingerprint["sha256"]
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size / 1e3:.0f} kB, sha256 {digest}")
    measure(arguments.seed + 1)  # crops that no fit has seen


if __name__ == "__main__":
    main()
