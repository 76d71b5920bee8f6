"""Embedding: the same bytes from every road, and nothing lost when things go wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vild
import vild.data.coco
from vild.data.categories import Category
from vild.data.crops import boxes_inside, crop_bounds, crop_square
from vild.data.drawn_dataset import DrawnObjects
from vild.data.example import Example
from vild.data.pictures import Picture
from vild.data.released_records import Records, write_records
from vild.data.squares import to_square
from vild.data.stores import WithRegions, open_store
from vild.data.stores.header import make_header
from vild.data.stores.shard import Entry, shard_images
from vild.data.stores.writing import making
from vild.embedding import check_teacher, embed
from vild.errors import DataError, InputError, TeacherError
from vild.teachers.protocol import unit_rows

SIDE = 16


class Means:
    """A teacher whose rows are means of the quarters of an image.

    It fails on images whose first pixel is `bad`, and on batches above `most`.
    """

    name, dim, image_size = "means", 12, SIDE

    def __init__(self, bad=None, most=None, version=1):
        self.bad, self.most = bad, most
        self.fingerprint = {"version": version}

    def encode_text(self, texts):
        return unit_rows([[1 + len(t)] + [1] * 11 for t in texts], self.dim)

    def encode_image(self, images):
        if self.most is not None and len(images) > self.most:
            raise MemoryError("too many")
        if self.bad is not None and (images[:, 0, 0, 0] == self.bad).any():
            raise ArithmeticError(f"no {self.bad} please")
        quarters = images.reshape(len(images), 2, SIDE // 2, 2, SIDE // 2, 3)
        return unit_rows(1 + quarters.mean(axis=(2, 4)).reshape(-1, 12), 12)


class Photos:
    """Photos of one grey each, of different sizes, with two objects."""

    name = "photos"
    categories = (Category(1, "cat"), Category(2, "dog", base=False))

    def __init__(self, count=20, damaged=(), fingerprint="f"):
        self.count, self.damaged, self.fingerprint = count, damaged, fingerprint

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        height, width = 40 + index, 60 - index
        rng = np.random.default_rng(index)
        pixels = rng.integers(index, index + 30, (height, width, 3)).astype("uint8")
        pixels[:, :, 0] = 10 * index
        source = b"nothing" if index in self.damaged else pixels
        return Example(
            image_id=100 - index,
            picture=Picture(source, f"photo {index}"),
            size=(height, width),
            boxes=np.array([[1, 2, 20, 22], [5, 5, 30, 30]], np.float32),
            category_ids=np.array([1, 2]),
        )


def boxes_of(index):
    rng = np.random.default_rng(index)
    corners = rng.uniform(0, 20, (index % 5, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(3, 18, (index % 5, 2))], 1)
    return boxes.astype("float32")


def propose(path, dataset, failures=(), change=lambda index, boxes: boxes):
    with making(path, make_header("proposals", dataset, 7, source="test")) as work:
        for index in work.missing:
            entries = {}
            for place in shard_images(work.header, index):
                boxes = change(place, boxes_of(place))
                if place in failures:
                    boxes = boxes[:0]
                scores = np.linspace(0.9, 0.1, len(boxes), dtype="float32")
                reason = "dark" if place in failures else None
                entries[100 - place] = Entry(boxes, scores, None, reason)
            work.write(index, work.content(index, entries))
    return path


def everything(path):
    return {p.name: p.read_bytes() for p in sorted(Path(path).iterdir())}


@pytest.fixture
def boxes(tmp_path):
    return propose(tmp_path / "boxes", Photos())


HOW = {"images_per_shard": 4, "batch_size": 7}


def test_what_is_stored_is_the_mean_of_two_crops(tmp_path, boxes):
    store = embed(Photos(), boxes, Means(), tmp_path / "s", dtype="float32", **HOW)
    assert store.failed == set()
    assert store.teacher["name"] == "means"
    for index in range(20):
        found, scores, features = store[100 - index]
        example, teacher = Photos()[index], Means()
        np.testing.assert_array_equal(found, boxes_of(index))
        assert len(scores) == len(found)
        for box, row in zip(found, features, strict=True):
            total = np.zeros(12)
            for scale in (1, 1.5):
                x1, y1, x2, y2 = crop_bounds(box[None], example.size, scale)[0]
                square = to_square(example.image[y1:y2, x1:x2], SIDE)
                total += teacher.encode_image(square[None])[0]
            # The same sums in another order of rounding.
            np.testing.assert_allclose(row, total / np.linalg.norm(total), atol=1e-6)


def test_float16_by_default(tmp_path, boxes):
    full = embed(Photos(), boxes, Means(), tmp_path / "a", dtype="float32", **HOW)
    half = embed(Photos(), boxes, Means(), tmp_path / "b", **HOW)
    for image_id in full:
        rows = half[image_id][2]
        assert rows.dtype == np.float16
        np.testing.assert_array_equal(rows, full[image_id][2].astype("float16"))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bytes_however_many_work(tmp_path, boxes, workers, threads):
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    embed(
        Photos(),
        boxes,
        Means(),
        tmp_path / "b",
        workers=workers,
        threads=threads,
        **HOW,
    )
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_parts_of_several_machines(tmp_path, boxes):
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    part = embed(Photos(), boxes, Means(), tmp_path / "b", part=(1, 2), **HOW)
    assert part.missing_shards == [0, 2, 4]
    assert everything(tmp_path / "b").items() <= everything(tmp_path / "a").items()


def test_going_on_leaves_what_is_there(tmp_path, boxes):
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    whole = everything(tmp_path / "a")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").glob("shard*")}
    gone = min(times)
    gone.unlink()
    (tmp_path / "a" / ".shard-00003-of-00005.safetensors.12.tmp").touch()
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    assert everything(tmp_path / "a") == whole
    for path, then in times.items():
        assert (path.stat().st_mtime_ns == then) == (path != gone)


def test_ground_truth_boxes_of_base_categories_come_first(tmp_path, boxes):
    store = embed(Photos(), boxes, Means(), tmp_path / "s", ground_truth=True, **HOW)
    for index in range(20):
        found, scores, _ = store[100 - index]
        np.testing.assert_array_equal(found[0], [1, 2, 20, 22])
        np.testing.assert_array_equal(found[1:], boxes_of(index))
        assert scores[0] == 1


def test_a_teacher_that_fails_on_one_image(tmp_path, boxes):
    """Photo 13 begins with a red of 130 wherever it is cropped."""
    with pytest.warns(UserWarning, match=r"1 of 20 images failed.* image 87: .*no 130"):
        store = embed(Photos(), boxes, Means(bad=130), tmp_path / "a", **HOW)
    assert list(store.failures) == [87]
    assert "encode_image failed (ArithmeticError: no 130 please)" in store.failures[87]
    assert store[87][2].shape == (0, 12)
    regions = WithRegions(Photos(), store)
    assert regions[13].roi_features.shape == (0, 12)
    assert regions[14].roi_features.shape == (4, 12)
    before = everything(tmp_path / "a")
    with pytest.warns(UserWarning, match="1 of 20 images failed"):
        embed(Photos(), boxes, Means(bad=130), tmp_path / "a", **HOW)
    assert everything(tmp_path / "a") == before
    # Mended meanwhile: the next run tries it again.
    assert embed(Photos(), boxes, Means(), tmp_path / "a", **HOW).failed == set()
    embed(Photos(), boxes, Means(), tmp_path / "b", **HOW)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_failures_do_not_depend_on_the_number_of_workers(tmp_path, boxes):
    for workers in (1, 2):
        with pytest.warns(UserWarning, match="1 of 20 images failed"):
            embed(
                Photos(),
                boxes,
                Means(bad=130),
                tmp_path / str(workers),
                workers=workers,
                **HOW,
            )
    assert everything(tmp_path / "1") == everything(tmp_path / "2")


def test_a_damaged_photo(tmp_path, boxes):
    with pytest.warns(UserWarning, match="2 of 20 images failed"):
        store = embed(Photos(damaged=[3, 9]), boxes, Means(), tmp_path / "a", **HOW)
    assert store.failed == {97, 91}
    assert "'photo 3' is not a picture" in store.failures[97]
    assert embed(Photos(), boxes, Means(), tmp_path / "a", **HOW).failed == set()
    embed(Photos(), boxes, Means(), tmp_path / "b", **HOW)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_photos_that_are_all_damaged_are_no_accident(tmp_path):
    images = []
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(b"nothing")
        entry = {"id": 100 - number, "file_name": f"{number}.png"}
        images.append(entry | {"height": 40, "width": 40})
    whole = {"images": images, "annotations": []}
    whole["categories"] = [{"id": 1, "name": "a"}]
    (tmp_path / "all.json").write_text(json.dumps(whole))
    dataset = vild.data.coco.Coco(tmp_path / "all.json", tmp_path)
    boxes = propose(tmp_path / "p", dataset, change=lambda i, b: boxes_of(i or 1))
    with pytest.raises(DataError, match=r"All 9 images of shard 0 fail.*0.png"):
        embed(dataset, boxes, Means(), tmp_path / "a")


def test_images_without_proposals(tmp_path):
    boxes = propose(tmp_path / "boxes", Photos(), failures=[4])
    with pytest.warns(UserWarning, match=r"there are no proposals \(dark\)"):
        store = embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    assert store.failed == {96}
    assert store[100][0].shape == (0, 4)  # no box was proposed: nothing failed


def test_no_boxes_at_all(tmp_path):
    boxes = propose(tmp_path / "boxes", Photos(), change=lambda i, boxes: boxes[:0])
    store = embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    assert (len(store), store.failed, store.counts.sum()) == (20, set(), 0)


def test_boxes_outside_the_photo(tmp_path):
    def change(index, boxes):
        if index == 14:
            boxes[0] = [200, 200, 240, 240]
            boxes[1] = [-10, -10, 900, 900]
            boxes[2] = [np.nan, 0, 5, 5]
        return boxes

    boxes = propose(tmp_path / "boxes", Photos(), change=change)
    with pytest.warns(UserWarning, match="2 boxes have no area in their photo"):
        store = embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    found, scores, features = store[86]
    assert (len(found), len(features)) == (2, 2)
    np.testing.assert_array_equal(found[0], [0, 0, 46, 54])
    np.testing.assert_allclose(scores, [0.9 - 0.8 / 3, 0.1], rtol=1e-6)


def test_too_large_a_batch_is_told_and_not_recorded(tmp_path, boxes):
    with pytest.raises(TeacherError, match=r"fails on 7 crops together, but on none"):
        embed(Photos(), boxes, Means(most=6), tmp_path / "a", **HOW)
    made = open_store(tmp_path / "a", partial=True)
    assert (len(made), made.failed) == (0, set())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_teacher_without_an_image_encoder(tmp_path, boxes, workers):
    np.savez(tmp_path / "w.npz", names=["cat"], embeddings=np.ones((1, 4)))
    with pytest.raises(TeacherError, match="has no encode_image"):
        embed(
            Photos(),
            boxes,
            f"precomputed:{tmp_path}/w.npz",
            tmp_path / "a",
            workers=workers,
        )


def test_what_does_not_belong_together_is_refused(tmp_path, boxes):
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    with pytest.raises(DataError, match=r"teacher.version is 1, not 2 as is asked"):
        embed(Photos(), boxes, Means(version=2), tmp_path / "a", **HOW)
    with pytest.raises(DataError, match=r"batch_size is 7, not 9"):
        embed(Photos(), boxes, Means(), tmp_path / "a", **HOW | {"batch_size": 9})
    with pytest.raises(DataError, match="was made for the dataset 'photos'"):
        embed(Photos(fingerprint="g"), boxes, Means(), tmp_path / "b", **HOW)
    with pytest.raises(DataError, match="is a store of embeddings"):
        embed(Photos(), tmp_path / "a", Means(), tmp_path / "b", **HOW)
    other = propose(tmp_path / "other", Photos(), failures=[3])
    with pytest.raises(DataError, match=r"proposals\.boxes is 40, not 37"):
        embed(Photos(), other, Means(), tmp_path / "a", **HOW)


def test_a_store_of_another_teacher_is_refused(tmp_path, boxes):
    store = embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    check_teacher(store, vild.teachers.fingerprint(Means()))
    check_teacher(store, None)
    with pytest.raises(DataError, match=r"made by means .*version 1.*, expected means"):
        check_teacher(store, vild.teachers.fingerprint(Means(version=2)))


def test_images_in_another_order(tmp_path, boxes):
    class Turned(Photos):
        def __getitem__(self, index):
            return super().__getitem__(19 - index)

    with pytest.raises(DataError, match=r"Image 0 .* has the id 81, but .* have 100"):
        embed(Turned(), boxes, Means(), tmp_path / "a", **HOW)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "spark"}, "engines are local, ray"),
        ({"dtype": "int8"}, "float16 or float32, received 'int8'"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"threads": 1.5}, "threads must be a whole number"),
        ({"workers": 0}, "Workers must be 1 or more"),
        ({"part": (2, 2)}, "0 <= i < n"),
        ({"images_per_shard": 0}, "images above 0"),
        ({"encode_dtype": "float16"}, "one way only"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, boxes, settings, said):
    with pytest.raises((InputError, TeacherError), match=said):
        embed(Photos(), boxes, Means(), tmp_path / "a", **settings)
    assert not (tmp_path / "a").exists()


FULL = """
import resource, signal, sys
sys.path[:0] = {paths!r}
from test_embedding import *
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    embed(Photos(), {boxes!r}, Means(), {out!r}, **HOW)
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limits")
def test_a_full_disk(tmp_path, boxes):
    """A limit on the size of files stands in for it: the second shard is larger."""
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    sizes = [p.stat().st_size for p in sorted((tmp_path / "a").glob("shard*"))]
    limit = sizes[0]
    assert sizes[1] > limit > (tmp_path / "a" / "header.json").stat().st_size
    code = FULL.format(
        paths=[str(Path(__file__).parent)],
        limit=limit,
        boxes=str(boxes),
        out=str(tmp_path / "b"),
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert "cannot be written (File too large)" in said
    assert everything(tmp_path / "b").items() < everything(tmp_path / "a").items()
    embed(Photos(), boxes, Means(), tmp_path / "b", **HOW)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


class Slow(Means):
    def encode_image(self, images):
        time.sleep(0.05)
        return super().encode_image(images)


KILLED = """
import sys
sys.path[:0] = {paths!r}
from test_embedding import *
if __name__ == "__main__":
    embed(Photos(), {boxes!r}, Slow(), {out!r}, workers={workers}, **HOW)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_begun_again(tmp_path, boxes, workers):
    embed(Photos(), boxes, Means(), tmp_path / "a", **HOW)
    out = tmp_path / "b"
    script = tmp_path / "killed.py"
    script.write_text(
        KILLED.format(
            paths=[str(Path(__file__).parent)],
            boxes=str(boxes),
            out=str(out),
            workers=workers,
        )
    )
    for shards in (1, 3):
        process = subprocess.Popen([sys.executable, script])
        until = time.monotonic() + 60
        while len(list(out.glob("shard*"))) < shards and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert len(list(out.glob("shard*"))) < 5
    embed(Photos(), boxes, Means(), out, **HOW)
    assert everything(tmp_path / "a") == everything(out)


def test_records_of_the_released_schema(tmp_path, boxes):
    store = embed(Photos(), boxes, Means(), tmp_path / "s", **HOW)
    regions = WithRegions(Photos(), store)
    write_records(regions, tmp_path / "r", "train")
    for one, other in zip(Records(tmp_path / "r"), regions, strict=True):
        if not len(other.roi_boxes):
            assert one.roi_boxes is None
            continue
        # Shares of a side in float32, there and back.
        np.testing.assert_allclose(one.roi_boxes, other.roi_boxes, rtol=3e-7)
        np.testing.assert_array_equal(one.roi_features, other.roi_features)
        np.testing.assert_array_equal(one.roi_scores, other.roi_scores)


def test_the_shapes_teacher_sees_drawn_objects(tmp_path):
    scenes = DrawnObjects("val:6")
    header = make_header("proposals", scenes, 64)
    with making(tmp_path / "p", header) as work:
        entries = {
            e.image_id: Entry(e.boxes, np.ones(len(e), np.float32)) for e in scenes
        }
        work.write(0, work.content(0, entries))
    store = embed(scenes, tmp_path / "p", "shapes", tmp_path / "s")
    names = [category.name for category in scenes.categories]
    words = vild.teachers.get("shapes").encode_text(names)
    right = [
        names[int((words @ row.astype("float32")).argmax())] == names[category - 1]
        for example in scenes
        for row, category in zip(
            store[example.image_id][2], example.category_ids, strict=True
        )
    ]
    assert np.mean(right) > 0.7  # nine of ten, some partly covered


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_crops_become_squares_as_photos_do(resize):
    """On smooth pictures; noise is clipped between two passes, whose order may turn."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        height, width, side = rng.integers(6, 200, 3)
        coarse = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        photo = Image.fromarray(coarse).resize((200, 200), Image.Resampling.BILINEAR)
        bounds = np.array([0, 0, width, height])
        square = crop_square(photo, bounds, int(side), resize)
        whole = to_square(np.asarray(photo)[:height, :width], int(side), resize)
        off = np.abs(square.astype(int) - whole)
        assert off.max() <= 2
        assert off.mean() < 0.2


def test_crops_are_inside_the_photo():
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(1, 50, 2)
        corners = np.sort(rng.uniform(-20, 70, (5, 2, 2)), axis=1)
        inside, kept = boxes_inside(corners.reshape(5, 4), (height, width))
        assert len(inside) == kept.sum()
        for scale in (1, 1.5):
            x1, y1, x2, y2 = crop_bounds(inside, (height, width), scale).T
            assert (x1 >= 0).all()
            assert (x1 < x2).all()
            assert (x2 <= width).all()
            assert (y1 >= 0).all()
            assert (y1 < y2).all()
            assert (y2 <= height).all()
