"""Datasets of a few made pictures, and what several tests of them share."""

import doctest
import importlib
import io

import numpy as np
from PIL import Image

import vild
from vild.data.dataset import Category, Example
from vild.data.object_masks import ObjectMasks
from vild.data.pictures import Picture


def run_doctests(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(
        importlib.import_module(f"vild.data.{name}"),
        extraglobs={"np": np, "vild": vild},
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert tried > 0
    assert failed == 0


def encoded(array, kind="PNG", **settings):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **settings)
    return buffer.getvalue()


NOISE = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)


def make_example(**changes):
    settings = {
        "image_id": 5,
        "picture": Picture(np.full((20, 30, 3), 7, np.uint8)),
        "size": (20, 30),
        "boxes": np.array([[1, 2, 11, 12], [0, 0, 30, 20]], np.float32),
        "category_ids": np.array([2, 7]),
        "packed_masks": ObjectMasks.pack(np.ones((2, 20, 30), bool)),
    }
    return Example(**settings | changes)


class Few:
    name = "few"
    categories = (Category(2, "cat"), Category(7, "dog", base=False))

    def __init__(self, *examples):
        self.examples = examples

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        return self.examples[index]
