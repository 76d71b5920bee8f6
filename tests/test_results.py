import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from vild.data.masks import LazyMasks
from vild.errors import BackendError, InputError
from vild.results import Detections

SIZE = (40, 60)
NAMES = ["cat", "café au lait", "cat", "猫"]


def make(**changes: Any) -> Detections:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 25, (4, 2))
    arguments: dict[str, Any] = {
        "boxes": np.concatenate([corners, corners + rng.uniform(3, 14, (4, 2))], 1),
        "scores": [0.9, 0.7, 0.1, 1e-7],
        "class_ids": [0, 2, 0, 1],
        "class_names": NAMES,
        "image_size": SIZE,
        "embeddings": rng.normal(size=(4, 8)).astype(np.float32),
        "masks": rng.random((4, *SIZE)) > 0.7,
    }
    return Detections(**{**arguments, **changes})


def empty() -> Detections:
    return Detections([], [], [], [], SIZE, np.zeros((0, 8)), np.zeros((0, *SIZE)))


class Counted:
    """Masks that know how often they were asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        masks = np.zeros((4, *SIZE), bool)
        masks[range(4), range(4)] = True
        return masks


def assert_same(a: Detections, b: Detections, embeddings: bool = True) -> None:
    for name in ("boxes", "scores", "class_ids", "masks"):
        left, right = getattr(a, name), getattr(b, name)
        np.testing.assert_array_equal(left, right, err_msg=name)
        if left is not None:
            assert left.dtype == right.dtype
            assert left.shape == right.shape
    assert a.class_names == b.class_names
    assert a.image_size == b.image_size
    if embeddings:
        np.testing.assert_array_equal(a.embeddings, b.embeddings)


def test_dtypes() -> None:
    found = make()
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.class_ids.dtype == np.int64
    assert found.masks is not None
    assert found.masks.dtype == bool
    assert found.embeddings is not None
    assert found.embeddings.dtype == np.float32
    assert empty().boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"boxes": np.zeros((3, 4))},
        {"boxes": np.zeros((4, 5))},
        {"class_ids": [1]},
        {"class_names": ["cat"]},
        {"embeddings": np.zeros((3, 8))},
        {"masks": np.zeros((4, 40, 61), bool)},
        {"masks": np.zeros((3, 40, 60), bool)},
    ],
)
def test_arrays_must_fit(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        make(**wrong)


def test_masks_of_a_callable_must_fit() -> None:
    with pytest.raises(InputError, match="masks"):
        _ = make(masks=lambda: np.zeros((3, *SIZE), bool)).masks


def test_masks_are_computed_once_and_late() -> None:
    source = Counted()
    found = make(masks=source)
    part = found[1:3]
    repr(found), len(found), found.table(), part[0]
    assert source.calls == 0
    assert part.masks is not None
    assert part.masks[0, 1].all()
    assert part.masks[1, 2].all()
    _ = found.masks, found.masks, part.masks, found[0].masks
    assert source.calls == 1


def test_a_part_of_lazy_masks_is_all_that_is_computed() -> None:
    source = make(masks=None)
    crops = np.ones((4, 28, 28), np.float32)
    whole = make(masks=LazyMasks(crops, source.boxes, SIZE))
    # If the part asked for the whole, it would fail on these damaged masks.
    damaged = LazyMasks(crops, source.boxes[:3], SIZE)
    part = make(masks=damaged)[[2, 0]]
    assert whole.masks is not None
    np.testing.assert_array_equal(part.masks, whole.masks[[2, 0]])


@pytest.mark.parametrize(
    "index",
    [
        slice(1, 3),
        slice(None, None, -1),
        np.array([True, False, False, True]),
        np.array([2, 2, 0]),
        [3],
        np.array([], np.int64),
    ],
    ids=["slice", "reversed", "bools", "indices", "list", "none"],
)
def test_indexing_keeps_everything_together(index: Any) -> None:
    found = make()
    part = found[index]
    assert found.embeddings is not None
    assert found.masks is not None
    np.testing.assert_array_equal(part.boxes, found.boxes[index])
    np.testing.assert_array_equal(part.scores, found.scores[index])
    np.testing.assert_array_equal(part.class_ids, found.class_ids[index])
    np.testing.assert_array_equal(part.embeddings, found.embeddings[index])
    np.testing.assert_array_equal(part.masks, found.masks[index])
    assert part.class_names == list(np.array(NAMES)[index])
    assert part.image_size == SIZE


def test_one_detection_and_iteration() -> None:
    found = make()
    assert len(found[-1]) == 1
    assert found[-1].class_names == ["猫"]
    assert [d.class_names[0] for d in found] == NAMES
    with pytest.raises(IndexError):
        found[4]
    with pytest.raises(IndexError):
        found[np.array([True, False])]


def test_repr_is_short() -> None:
    assert repr(make()) == "Detections(4: cat 0.90, café au lait 0.70, cat 0.10, ...)"
    assert repr(empty()) == "Detections(0: )"


@pytest.mark.parametrize("ending", ["json", "npz", "JSON"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"masks": None}, {"embeddings": None}, {"class_names": ["\ud800"] * 4}],
)
def test_saving_and_loading(
    tmp_path: Path, ending: str, changes: dict[str, Any]
) -> None:
    found = make(**changes)
    path = tmp_path / f"found.{ending}"
    found.save(path)
    loaded = Detections.load(path)
    assert_same(found, loaded, embeddings=ending == "npz")
    if ending != "npz":
        assert loaded.embeddings is None
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_nothing_found_is_saved_too(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"none.{ending}"
    empty().save(path)
    assert_same(empty(), Detections.load(path), embeddings=ending == "npz")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    make().save(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="finite"):
        make(scores=[np.nan] * 4).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["found.json"]


@pytest.mark.parametrize("name", ["a.jpg", "a.PNG"])
def test_saving_a_picture_says_how(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.draw\(image\)\.save\(path\)"):
        make().save(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt", "a"])
def test_unknown_endings_list_the_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.json or \.npz"):
        make().save(tmp_path / name)
    with pytest.raises(InputError, match=r"\.json or \.npz"):
        Detections.load(tmp_path / name)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        make().save(tmp_path / "nowhere" / "a.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        make().save(tmp_path / "file" / "a.npz")


@pytest.mark.parametrize("name", ["a.json", "a.npz"])
@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"format": "other"}', b"\x00\xff"]
)
def test_loading_something_else(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InputError, match="cannot read"):
        Detections.load(tmp_path / name)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="no detections") as caught:
        Detections.load(tmp_path / name)
    assert name in str(caught.value)


def test_loading_a_file_cut_short(tmp_path: Path) -> None:
    for name in ("a.json", "a.npz"):
        make().save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match="damaged"):
            Detections.load(tmp_path / name)


def test_coco_results() -> None:
    found = make()
    results = json.loads(json.dumps(found.to_coco(42)))
    assert [r["category_id"] for r in results] == [0, 2, 0, 1]
    assert {r["image_id"] for r in results} == {42}
    assert found.masks is not None
    for result, box, score, mask in zip(
        results, found.boxes, found.scores, found.masks, strict=True
    ):
        x, y, width, height = result["bbox"]
        np.testing.assert_allclose([x, y, x + width, y + height], box, rtol=1e-5)
        assert result["score"] == pytest.approx(score)
        np.testing.assert_array_equal(coco.decode(result["segmentation"]), mask)


def test_coco_categories_and_no_masks() -> None:
    results = make(masks=None).to_coco("a", category_ids=[5, 10, 90])
    assert [r["category_id"] for r in results] == [5, 90, 5, 10]
    assert "segmentation" not in results[0]
    assert empty().to_coco(1, category_ids=[]) == []
    with pytest.raises(InputError, match="category_ids"):
        make().to_coco(1, category_ids=[5, 10])


def test_supervision() -> None:
    pytest.importorskip("supervision")
    found = make()
    other = found.to_supervision()
    np.testing.assert_array_equal(other.xyxy, found.boxes)
    np.testing.assert_array_equal(other.confidence, found.scores)
    np.testing.assert_array_equal(other.class_id, found.class_ids)
    np.testing.assert_array_equal(other.mask, found.masks)
    assert list(other.data["class_name"]) == NAMES
    assert len(empty().to_supervision()) == 0
    assert make(masks=None).to_supervision().mask is None


def test_without_supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(BackendError, match=r"pip install vild\[supervision\]"):
        make().to_supervision()


def test_drawing(tmp_path: Path) -> None:
    photo = np.full((*SIZE, 3), 90, np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    pictures = [
        np.asarray(make().draw(image))
        for image in (photo, Image.fromarray(photo), tmp_path / "photo.png")
    ]
    assert pictures[0].shape == photo.shape
    assert (pictures[0] != photo).any()
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])
    np.testing.assert_array_equal(empty().draw(photo), photo)
    make(masks=None).draw(photo)


def test_drawing_on_another_photo() -> None:
    with pytest.raises(InputError, match=r"\(40, 60\).*\(60, 40\)"):
        make().draw(np.zeros((60, 40, 3), np.uint8))


def test_table() -> None:
    lines = make(class_names=["cat", "two\nlines", "a", "猫"]).table().split("\n")
    assert len(lines) == 5
    assert lines[0].split() == ["name", "score", "x1", "y1", "x2", "y2"]
    assert len({len(line) for line in lines[:4]}) == 1
    # A CJK letter takes two columns of a terminal.
    assert len(lines[4]) == len(lines[0]) - 1
    assert lines[2].startswith("two lines  0.700")
    assert len(empty().table().split("\n")) == 1
