"""Makes the detector that comes with vild from one of the study's.

    python benchmarks/bundle_stickers.py runs/long/ensemble/detector --start 'what'

It gets the names of all concepts, so that none of them needs the teacher; settings that
were chosen on `val`; and kernels in half precision. `--demo` makes the scene that
`vild detect` shows too.
"""

import argparse
from pathlib import Path
from typing import Any

from PIL import Image

import vild
from vild.data.stickers import Stickers, concepts
from vild.detector import Detector
from vild.presets import BUNDLED, DEMO_SCENE

SETTINGS = {
    "image_size": 288,
    "pre_nms_proposals": 300,
    "num_proposals": 100,
    "pre_nms_detections": 100,
    "max_detections": 100,
    "score_threshold": 0.06,
    "rivals": True,
}
# Noto Emoji by Google, Apache-2.0: other scenes than those of training; `--demo 206`.
DEMO = {"split": "test-seen/noto", "size": (400, 400), "objects": (5, 7), "seed": 7}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("detector", type=Path, nargs="?")
    parser.add_argument(
        "--start",
        metavar="TEXT",
        help="what its training began with",
    )
    parser.add_argument("--demo", type=int, metavar="SCENE", help="its number")
    options = parser.parse_args()
    if options.detector is None and options.demo is None:
        parser.error("nothing to do: name a detector, or --demo with a scene's number")
    if options.detector is not None and options.start is None:
        parser.error("--start must say what the training of the detector began with")
    if options.detector is not None:
        trained = vild.load_pretrained(options.detector)
        words = vild.Vocabulary.build(
            [list(concept.synonyms) for concept in concepts()],
            "stickers",
            base=[concept.part == "base" for concept in concepts()],
        )
        made = Detector(
            trained.model,
            words,
            teacher="stickers",
            provenance=_told(trained.provenance, options.start),
            **SETTINGS,
        )
        made.save(BUNDLED / "stickers", half=True)
        sizes = {p.name: p.stat().st_size for p in (BUNDLED / "stickers").iterdir()}
        print(sizes, sum(sizes.values()))
    if options.demo is not None:
        scene = Image.fromarray(Stickers(**DEMO)[options.demo].image)
        scene.save(DEMO_SCENE, quality=92, method=6)


def _told(provenance: dict[str, Any], start: str) -> dict[str, Any]:
    """With words in place of the path of the initial weights."""
    recipe = provenance["recipe"]
    model = {**recipe["model"], "initial_weights": start}
    return {**provenance, "recipe": {**recipe, "model": model}}


if __name__ == "__main__":
    main()
