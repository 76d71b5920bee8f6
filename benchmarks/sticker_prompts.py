"""What synonyms and prompts bring when a detector of stickers is asked for names.

    python benchmarks/sticker_prompts.py --model stickers --split val:300

The same detector is asked in four ways: by the bare name of each concept or in prompts
("a photo of a {name}"), and by that name alone or by all its synonyms. Box AP50 of base
classes and of the others, with 95 % intervals by bootstrap over scenes.
"""

import argparse

from common import box_cells

import vild
from vild.data.stickers import Stickers
from vild.evaluation import evaluate_detector

WAYS = {
    "name": ("name", False),
    "name and synonyms": ("name", True),
    "name in prompts": ("vild", False),
    "name and synonyms in prompts": ("vild", True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="stickers")
    parser.add_argument("--split", default="val:300")
    options = parser.parse_args()
    detector = vild.load_pretrained(options.model)
    scenes = Stickers(options.split)
    asked = [c for c in scenes.categories if not c.excluded]
    base = [c.base for c in asked]
    print("| asked by | AP50 base | AP50 novel | box AP |\n|---|---|---|---|")
    for way, (templates, synonyms) in WAYS.items():
        names = [
            [c.name, *(s for s in c.synonyms if s != c.name and synonyms)]
            for c in asked
        ]
        words = detector.vocabulary(names, base, templates)
        found, _ = evaluate_detector(detector, scenes, vocabulary=words, masks=False)
        print(f"| {way} | {box_cells(found)} |", flush=True)


if __name__ == "__main__":
    main()
