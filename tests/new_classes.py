"""A dataset of somebody's own, and a fine-tuning on it that takes seconds."""

from dataclasses import replace

from few import few_steps

import vild
from vild.backends import keras
from vild.data.drawn_dataset import DrawnObjects
from vild.data.narrowed import Narrowed
from vild.finetuning import recipe_for
from vild.recipes import changed
from vild.runs.network import make_network
from vild.vocabulary import Vocabulary

# Of the detector's novel classes two that are seen often in the first scenes; the
# second goes by a name that the detector does not know.
KNOWN, RENAMED, NEW = "bordered pink arrow", "cyan heart", "snow crystal"


def untrained(name="tiny-ensemble"):
    """A detector with weights from chance that knows the drawn classes."""
    recipe = few_steps(name=name)
    categories = DrawnObjects("train").categories
    flags = [category.base for category in categories]
    words = Vocabulary.build([c.name for c in categories], "shapes", base=flags)
    about = {"recipe": recipe.as_dict()}
    model = make_network(recipe, words.dim)
    return vild.Detector(
        model, words, teacher="shapes", provenance=about, **recipe.settings
    )


class Own(Narrowed):
    """Two classes of drawn objects: objects of others have no box, nor a frequency."""

    def __init__(self, scenes=40, masks=True, mark="own"):
        super().__init__(DrawnObjects(f"train:{scenes}"), [KNOWN, RENAMED])
        self.name, self.fingerprint, self.masks = "own", mark, masks
        names = {KNOWN: KNOWN, RENAMED: NEW}
        self.categories = [
            replace(c, name=names[c.name], synonyms=(), frequency=None)
            for c in self.categories
        ]

    def __getitem__(self, index):
        example = super().__getitem__(index)
        return example if self.masks else replace(example, packed_masks=None)


def few_finetune(detector, out, *changes, dataset=None, **options):
    options = {"quiet": True, "threads": 1, **options}
    if keras.backend.backend() == "tensorflow":
        options.setdefault("compiled", False)
    if isinstance(detector, vild.Detector):
        start = detector
    else:
        start = vild.load_pretrained(detector)
    recipe = changed(recipe_for(start, steps=4), ["save_every=2", *changes])
    options.setdefault("recipe", recipe)
    return vild.finetune(
        start, Own() if dataset is None else dataset, out=out, **options
    )
