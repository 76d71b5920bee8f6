"""Images without embeddings: trained on, counted, told."""

import dataclasses
import json
import warnings
from pathlib import Path

import pytest
from small import small_train

import vild
from vild.data.drawn_dataset import DrawnObjects
from vild.data.pictures import Picture
from vild.data.stores import WithRegions
from vild.embedding import embed
from vild.proposals import make_proposals

CHANGE = "losses.distill_weight=1"


class PartlyGone(DrawnObjects):
    """Drawn objects, of which some photos were away on the day of the embedding."""

    gone = (3, 6)

    def __getitem__(self, index):
        example = super().__getitem__(index)
        if index not in self.gone:
            return example
        return dataclasses.replace(example, picture=Picture(Path("away.png")))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    scenes = DrawnObjects("train:8")
    found = [
        {"image_id": scenes[i].image_id, "bbox": [10, 20, 90, 60]} for i in range(8)
    ]
    (folder / "boxes.json").write_text(json.dumps(found))
    return make_proposals(folder / "boxes.json", scenes, folder / "store")


def test_images_that_failed_are_counted_at_the_start_and_in_the_detector(
    tmp_path, boxes
):
    scenes = DrawnObjects("train:8")
    with pytest.warns(UserWarning, match="2 of 8 images failed"):
        store = embed(PartlyGone("train:8"), boxes, "shapes", tmp_path / "store")
    data = WithRegions(scenes, store)
    with pytest.warns(UserWarning, match="no embeddings") as told:
        small_train(tmp_path / "run", CHANGE, "steps=2", dataset=data)
    counted = [str(w.message) for w in told if "no embeddings" in str(w.message)]
    assert len(counted) == 1
    assert counted[0].startswith("2 of 8 images have no embeddings")
    assert f"image {scenes[3].image_id}: " in counted[0]
    assert "away.png" in counted[0]
    assert "`vild embed` tries them again" in counted[0]
    made = vild.load_pretrained(tmp_path / "run" / "detector").provenance
    assert made["embeddings"]["failed images"] == 2
    assert made["embeddings"]["fingerprint"] == store.fingerprint
    # A training without distillation does not read them.
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*no embeddings")
        small_train(tmp_path / "plain", "steps=2", dataset=data)


def test_a_whole_store_needs_no_warning(tmp_path, boxes):
    scenes = DrawnObjects("train:8")
    data = WithRegions(scenes, embed(scenes, boxes, "shapes", tmp_path / "store"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*no embeddings")
        detector = small_train(tmp_path / "run", CHANGE, "steps=2", dataset=data)
    assert detector.provenance["embeddings"]["failed images"] == 0
