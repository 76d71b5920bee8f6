"""The real pictures, where VILD_STICKERS_CACHE names a cache that has them."""

import os
import time

import numpy as np
import pytest

from vild.data.dataset import check_dataset
from vild.data.stickers import (
    SPLITS,
    STYLES,
    Stickers,
    concepts,
    open_art,
    styles_of,
)
from vild.data.stickers.art import art_path

pytestmark = pytest.mark.numpy


@pytest.fixture(autouse=True)
def real_art(monkeypatch):
    cache = os.environ.get("VILD_STICKERS_CACHE")
    if cache is None:
        pytest.skip(
            "set VILD_STICKERS_CACHE to the VILD_CACHE that `vild data stickers` filled"
        )
    monkeypatch.setenv("VILD_CACHE", cache)


DRAWN = {
    "noto": 674,
    "noto-v1": 479,
    "openmoji": 674,
    "emojione": 478,
    "emojione-v1": 398,
    "fxemoji": 377,
    "twemoji": 674,
    "fluent-flat": 674,
    "fluent-3d": 674,
    "stamps": 106,
}


def art_of(style):
    if style.part == "photos" and not art_path(style).is_file():
        pytest.skip("photos are fetched by `vild data stickers --splits test-photos`")
    return open_art(style)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_which_style_has_what(style):
    art = art_of(style)
    shown = (concept.shown for concept in concepts())
    assert sum(any(p.code in art for p in some) for some in shown) == DRAWN[style.name]
    if style.part == "photos":  # each was chosen, so none may be missing
        assert len(art) == 144


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_no_picture_stands_for_two_concepts(style):
    art = art_of(style)
    shown = {}
    for concept in concepts():
        for picture in concept.shown:
            if picture.code in art:
                pixels = art.picture(picture.code)
                names = shown.setdefault((pixels.shape, pixels.tobytes()), set())
                names.add(concept.name)
    assert [names for names in shown.values() if len(names) > 1] == []


@pytest.mark.parametrize("split", SPLITS)
def test_scenes_are_sound(split):
    for style in styles_of(SPLITS[split].styles):
        art_of(style)
    scenes = check_dataset(Stickers(f"{split}:40"))
    objects = [len(scene) for scene in scenes]
    assert 3 < np.mean(objects) < 6
    assert max(objects) <= 12


def test_scenes_are_composed_faster_than_a_small_detector_trains():
    scenes = Stickers("train")
    assert scenes[0].image.any()
    start = time.process_time()
    for index in range(50):
        _ = scenes[index]
    # About 10 ms each on one core; three times that where the machine is busy.
    assert (time.process_time() - start) / 50 < 0.03
