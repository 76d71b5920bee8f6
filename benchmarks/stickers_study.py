"""Rows of the study on stickers: what labels, texts and a teacher each bring.

    KERAS_BACKEND=tensorflow python benchmarks/stickers_study.py --rows text ensemble

Every row begins with the same first stage, which begins with a trunk that has seen
base concepts only (`fit_sticker_backbone.py`), and makes the same steps; rows that
distil share one store of proposals and embeddings. What is done is not done again, and
what was cut off goes on.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from common import Kept

from vild.data.stickers import Stickers
from vild.data.stores import WithRegions
from vild.embedding import embed
from vild.proposals import make_proposals
from vild.recipes import Recipe, changed, get_recipe
from vild.runs.run import train

TRAINED = {
    "rpn": "stickers-rpn",
    "supervised": "stickers-supervised",
    "text": "stickers-text",
    "vild": "stickers-vild",
    "ensemble": "stickers-ensemble",
}
BOXES = 20  # of a scene, for the teacher


class Study:
    """What the rows share.

    Args:
        out: folder of everything.
        scenes: of the training.
        trunk: initial weights of the first stage's backbone.
        changes: of all recipes, see `vild.recipes.changed`.
    """

    def __init__(self, out: Path, scenes: int, trunk: Path, changes: list[str]):
        self.out, self.trunk, self.changes = out, trunk, changes
        self.data = Kept(Stickers(f"train:{scenes}"))

    def recipe(self, row: str) -> Recipe:
        """Of a row, with its initial weights."""
        recipe = changed(get_recipe(TRAINED[row]), self.changes)
        start = self.trunk if row == "rpn" else self.out / "rpn" / "detector"
        model = dataclasses.replace(recipe.model, initial_weights=str(start))
        return dataclasses.replace(recipe, model=model)

    def trained(self, row: str) -> Any:
        """The detector of a row."""
        recipe = self.recipe(row)
        data: Any = WithRegions(self.data, self.regions()) if recipe.distils else None
        learned = recipe.classes.classifier == "learned"
        return train(
            recipe,
            self.data if data is None else data,
            self.out / row,
            teacher=None if learned else "stickers",
            threads=1,
        )

    def proposals(self) -> Any:
        """The store of boxes."""
        first = self.out / "rpn" / "detector"
        if not first.exists():
            self.trained("rpn")
        return make_proposals(first, self.data, self.out / "proposals", count=BOXES)

    def regions(self) -> Any:
        """The store of embeddings."""
        return embed(
            self.data,
            self.proposals(),
            "stickers",
            self.out / "embeddings",
            workers=2,
            threads=1,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/stickers"))
    parser.add_argument("--scenes", type=int, default=6_000)
    parser.add_argument("--trunk", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", default=["ensemble"])
    parser.add_argument("--set", nargs="*", default=[], dest="changes")
    options = parser.parse_args()
    study = Study(options.out, options.scenes, options.trunk, options.changes)
    for row in options.rows:
        {"proposals": study.proposals, "regions": study.regions}.get(
            row, lambda row=row: study.trained(row)
        )()


if __name__ == "__main__":
    main()
