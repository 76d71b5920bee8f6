"""What an ensemble of stickers finds if its branches weigh otherwise.

    python benchmarks/sticker_weights.py --model runs/stickers/base/ensemble/detector

The released rule gives novel classes the image branch's probability q to the power of
2/3 and the text branch's p to that of 1/3. Here other shares of p are tried for novel
classes, base ones keep theirs; and a rule where all that the text branch has to say of
a novel class is that there is something (all classes but background, together).
Choices are made on `val`. Box AP with 95 % intervals by bootstrap over scenes.
"""

import argparse
from collections.abc import Callable
from typing import Any

from common import box_cells

import vild
from vild.backends import keras
from vild.data.stickers import Stickers
from vild.evaluation import evaluate_detector
from vild.matching import whole
from vild.ops import streaming

ops = keras.ops
# Products of novel classes, of which scores are the third root.
RULES: dict[str, Callable[[Any, Any], Any]] = {
    "p^1/3 q^2/3, as released": lambda p, q: p * q * q,
    "p^1/6 q^5/6": lambda p, q: ops.sqrt(p * q) * q * q,
    "q alone": lambda p, q: q * q * q,
    "(all p)^1/3 q^2/3": lambda p, q: ops.sum(p, axis=1, keepdims=True) * q * q,
}


def products_by(rule: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """In the place of `vild.ops.streaming.products`."""

    def products(sums: Any, shares: Any, base: Any) -> Any:
        p, q = (
            share / of_branch[1][:, None]
            for of_branch, share in zip(sums, shares, strict=True)
        )
        return ops.where(base[:, None], p * p * q, rule(p, q))

    return products


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="stickers")
    parser.add_argument("--split", default="val:300")
    options = parser.parse_args()
    detector = vild.load_pretrained(options.model)
    if not detector.model.config["ensemble"]:
        parser.error("--model needs an ensemble: other detectors have one branch")
    print("| novel classes | AP50 base | AP50 novel | box AP |\n|---|---|---|---|")
    for name, rule in RULES.items():
        streaming.products = products_by(rule)
        whole._candidates.cache_clear()  # programs compiled with the last rule
        # So many names are compared at once, or "all p" would be of a part of them.
        found, _ = evaluate_detector(detector, Stickers(options.split), masks=False)
        print(f"| {name} | {box_cells(found)} |", flush=True)


if __name__ == "__main__":
    main()
