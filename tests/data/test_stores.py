"""Stores: written, read, checked; every kind of damage is found."""

import json
import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_datasets import Few, make_example, run_doctests

from vild.data.dataset import check_dataset
from vild.data.stores import EmbeddingStore, ProposalStore, WithRegions, open_store
from vild.data.stores.header import make_header
from vild.data.stores.shard import Entry
from vild.data.stores.verifying import verify_store
from vild.data.stores.writing import making
from vild.errors import DataError, InputError

pytestmark = pytest.mark.numpy

DIM = 8


class Pictures(Few):
    """Seven images with ids in no order; one can be pickled with its class."""

    name = "pictures"
    fingerprint = "first"

    def __init__(self):
        super().__init__(*(make_example(image_id=i) for i in (9, 4, 70, 5, 6, 11, 1)))


def entries(ids, seed=0, dtype="float16"):
    rng = np.random.default_rng(seed)
    made = {}
    for image_id in ids:
        count = image_id % 4
        corners = rng.uniform(0, 10, (count, 2)).astype("float32")
        boxes = np.concatenate([corners, corners + 5], axis=1)
        features = rng.normal(size=(count, DIM)).astype(dtype)
        made[image_id] = Entry(boxes, rng.random(count).astype("float32"), features)
    return made


def header(dataset, per=3, kind="embeddings", dtype="float16", **more):
    if kind == "embeddings":
        more = {"dim": DIM, "dtype": dtype, "teacher": {"name": "t"}} | more
    return make_header(kind, dataset, per, **more)


def write(path, dataset, failures=(), skip=(), **how):
    """A whole store; returns what was written."""
    whole = {}
    with making(path, header(dataset, **how)) as work:
        for index in work.missing:
            if index in skip:
                continue
            images = range(index * 3, min(index * 3 + 3, len(dataset)))
            part = entries([dataset[i].image_id for i in images], index)
            for image_id in part.keys() & set(failures):
                nothing = part[image_id]
                part[image_id] = Entry(
                    nothing.boxes[:0], nothing.scores[:0], nothing.features[:0], "odd"
                )
            work.write(index, work.content(index, part))
            whole |= part
    return whole


def shards(path):
    return sorted(Path(path).glob("shard-*"))


def everything(path):
    return {p.name: p.read_bytes() for p in sorted(Path(path).iterdir())}


def read_all(store):
    return [store[image_id] for image_id in store]


@pytest.fixture
def store(tmp_path):
    write(tmp_path / "s", Pictures(), failures=[5])
    return tmp_path / "s"


@pytest.mark.parametrize(
    "name", ["stores.tensor_file", "stores.header", "stores.writing", "stores.opening"]
)
def test_examples(name, tmp_path, monkeypatch):
    run_doctests(name, tmp_path, monkeypatch)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_written_is_read(tmp_path, dtype):
    written = write(tmp_path / "s", Pictures(), failures=[5], dtype=dtype)
    store = open_store(tmp_path / "s")
    assert isinstance(store, EmbeddingStore)
    assert len(store) == 7
    assert list(store) == [9, 4, 70, 5, 6, 11, 1]
    assert store.failed == {5}
    assert store.failures == {5: "odd"}
    assert store.teacher == {"name": "t"}
    assert store.counts.tolist() == [1, 0, 2, 0, 2, 3, 1]
    for image_id, entry in written.items():
        boxes, scores, features = store[image_id]
        np.testing.assert_array_equal(boxes, entry.boxes)
        np.testing.assert_array_equal(scores, entry.scores)
        np.testing.assert_array_equal(features, entry.features.astype(dtype))
        assert features.dtype == dtype
        assert features.shape == (len(boxes), DIM)
        assert not features.flags.writeable
    assert sorted(p.name for p in store.path.iterdir()) == [
        "header.json",
        "shard-00000-of-00003.safetensors",
        "shard-00001-of-00003.safetensors",
        "shard-00002-of-00003.safetensors",
    ]


def test_proposals_have_no_features(tmp_path):
    write(tmp_path / "s", Pictures(), kind="proposals")
    store = open_store(tmp_path / "s")
    assert isinstance(store, ProposalStore)
    boxes, scores = store[70]
    assert boxes.shape == (2, 4)
    assert scores.shape == (2,)


def test_the_same_entries_give_the_same_bytes(tmp_path):
    for name in "ab":
        write(tmp_path / name, Pictures())
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_the_safetensors_package_reads_and_writes_shards(store):
    numpy = pytest.importorskip("safetensors.numpy")
    from safetensors import safe_open

    before = open_store(store)
    expected = read_all(before)
    for path in shards(store):
        with safe_open(path, "np") as file:
            about = file.metadata()
        arrays = numpy.load_file(path)
        path.unlink()
        numpy.save_file(arrays, path, about)
    after = open_store(store)
    assert after.fingerprint == before.fingerprint
    for one, other in zip(read_all(after), expected, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_unknown_image_is_named(store):
    opened = open_store(store)
    assert 9 in opened
    assert 8 not in opened
    assert "9" not in opened
    with pytest.raises(DataError, match=r"no image 8; it holds 7 of the 7 images"):
        opened[8]


def test_a_dataset_with_regions(store):
    dataset = WithRegions(Pictures(), store)
    check_dataset(dataset)
    assert dataset.failed == {5}
    for example in dataset:
        boxes, scores, features = dataset.store[example.image_id]
        np.testing.assert_array_equal(example.roi_boxes, boxes)
        np.testing.assert_array_equal(example.roi_scores, scores)
        np.testing.assert_array_equal(example.roi_features, features)
        assert example.roi_features.dtype == np.float32
        assert example.roi_boxes.flags.writeable
    assert dataset[3].roi_features.shape == (0, DIM)
    assert [c.name for c in dataset.categories] == ["cat", "dog"]


def _shapes(dataset):
    return [example.roi_features.shape for example in dataset]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_regions_in_other_processes(store, method):
    dataset = WithRegions(Pictures(), store)
    expected = _shapes(dataset)
    assert _shapes(pickle.loads(pickle.dumps(dataset))) == expected
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_shapes, (dataset,)) == expected


def test_fingerprints_cover_dataset_and_store(tmp_path):
    write(tmp_path / "a", Pictures())
    write(tmp_path / "b", Pictures(), failures=[5])
    write(tmp_path / "c", Pictures(), teacher={"name": "other"})
    marks = {WithRegions(Pictures(), tmp_path / name).fingerprint for name in "abc"}
    assert len(marks) == 3
    assert WithRegions(Pictures(), tmp_path / "a").fingerprint in marks


def test_a_store_of_another_dataset_is_refused_at_once(store):
    changed = Pictures()
    changed.fingerprint = "second"
    with pytest.raises(DataError, match="fingerprint first, not second as 'pictures'"):
        WithRegions(changed, store)
    fewer = Pictures()
    fewer.examples = fewer.examples[1:]
    with pytest.raises(DataError, match="images 7, not 6"):
        WithRegions(fewer, store)
    renamed = Pictures()
    renamed.name = "moved"
    assert len(WithRegions(renamed, store)) == 7  # the fingerprint decides
    renamed.fingerprint = None
    with pytest.raises(DataError, match="name pictures, not moved"):
        WithRegions(renamed, store)


def test_an_incomplete_store(tmp_path):
    write(tmp_path / "s", Pictures(), skip=[1])
    with pytest.raises(DataError, match=r"shard-00001-of-00003.* is missing"):
        open_store(tmp_path / "s")
    part = open_store(tmp_path / "s", partial=True)
    assert part.missing_shards == [1]
    assert list(part) == [9, 4, 70, 1]
    with pytest.raises(DataError, match="no image 5; it holds 4 of the 7"):
        part[5]
    write(tmp_path / "s", Pictures())
    write(tmp_path / "t", Pictures())
    assert everything(tmp_path / "s") == everything(tmp_path / "t")


def test_a_shard_of_another_store_is_foreign(tmp_path):
    write(tmp_path / "a", Pictures())
    write(tmp_path / "b", Pictures(), teacher={"name": "other"})
    name = shards(tmp_path / "a")[1].name
    shutil.copy(tmp_path / "b" / name, tmp_path / "a" / name)
    with pytest.raises(DataError, match="belongs to another store"):
        open_store(tmp_path / "a")
    shutil.copy(shards(tmp_path / "a")[0], tmp_path / "a" / name)
    with pytest.raises(DataError, match="belongs to another store"):
        open_store(tmp_path / "a")


def test_a_header_changed_by_hand_does_not_go_with_the_shards(store):
    path = store / "header.json"
    whole = json.loads(path.read_text())
    whole["teacher"] = {"name": "another"}
    path.write_text(json.dumps(whole))
    with pytest.raises(DataError, match="its header was changed"):
        open_store(store)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "x"}, "is not the header of a store"),
        ({"version": 9}, "is of version 9, this vild reads version 1"),
        ({"kind": "x"}, "its kind is 'x'"),
        ({"shards": 2}, "2 shards do not fit 7 images"),
        ({"dim": 0}, "dim is 0"),
        ({"dtype": "int8"}, "its dtype is 'int8'"),
        ({"dataset": []}, "its dataset is"),
    ],
)
def test_odd_headers(store, change, said):
    path = store / "header.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=said):
        open_store(store)


def test_no_header(tmp_path):
    with pytest.raises(DataError, match="is no store"):
        open_store(tmp_path)
    (tmp_path / "header.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        open_store(tmp_path)


@pytest.mark.parametrize("length", [0, 5, 100, 700, -1])
def test_a_shard_cut_short_is_found_when_the_store_is_opened(store, length):
    path = shards(store)[1]
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"shard-00001-of-00003\S* is damaged"):
        open_store(store)


@given(data=st.data())
def test_any_flipped_bit_is_found(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flip")
    write(folder / "s", Pictures(), failures=[5])
    path = data.draw(st.sampled_from(shards(folder / "s")))
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged|belongs to another"):
        read_all(open_store(folder / "s"))
    shutil.rmtree(folder)


def test_a_shard_written_anew_while_in_use(tmp_path):
    write(tmp_path / "s", Pictures(), failures=[5])
    opened = open_store(tmp_path / "s")
    write(tmp_path / "t", Pictures())
    name = shards(tmp_path / "s")[1].name
    shutil.copy(tmp_path / "t" / name, tmp_path / "s" / name)
    with pytest.raises(DataError, match="written anew while the store was in use"):
        opened[6]


def test_ids_must_differ(tmp_path):
    class Twice(Pictures):
        def __init__(self):
            super().__init__()
            self.examples = (*self.examples[:6], self.examples[0])

    write(tmp_path / "s", Twice())
    with pytest.raises(DataError, match="has the image 9 twice"):
        open_store(tmp_path / "s")


def test_going_on_where_one_stopped(tmp_path):
    write(tmp_path / "s", Pictures(), failures=[5])
    with making(tmp_path / "s", header(Pictures())) as work:
        assert work.missing == []
        assert work.failed == {1: {5: "odd"}}
    path = shards(tmp_path / "s")[2]
    path.write_bytes(path.read_bytes()[:-3])
    with (
        pytest.warns(UserWarning, match="is damaged.*made anew"),
        making(tmp_path / "s", header(Pictures())) as work,
    ):
        assert work.missing == [2]
    assert not (tmp_path / "s" / ".lock").exists()


def test_another_store_is_not_overwritten(tmp_path):
    write(tmp_path / "s", Pictures())
    with (
        pytest.raises(DataError, match=r"teacher.name is t, not u as is asked for now"),
        making(tmp_path / "s", header(Pictures(), teacher={"name": "u"})),
    ):
        pass
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with (
        pytest.raises(DataError, match=r"holds 'thesis.txt' but no store"),
        making(tmp_path / "full", header(Pictures())),
    ):
        pass
    with (
        pytest.raises(InputError, match="is a file"),
        making(tmp_path / "full" / "thesis.txt", header(Pictures())),
    ):
        pass


def test_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("vild.data.stores.writing._WAIT", 0.2)
    with (
        making(tmp_path / "s", header(Pictures())),
        pytest.raises(DataError, match="Another process is making the store"),
        making(tmp_path / "s", header(Pictures())),
    ):
        pass


def test_numbers_of_images(tmp_path):
    with pytest.raises(InputError, match="images above 0, received 0"):
        header(Pictures(), per=0)
    with pytest.raises(DataError, match="has no images"):
        header(Few())


def test_the_page_on_stores_tells_how_to_write_one(tmp_path, monkeypatch):
    pytest.importorskip("safetensors.numpy")
    page = Path(__file__).parents[2] / "docs" / "distillation-stores.md"
    chapter = page.read_text("utf-8").partition("### Writing one without vild")[2]
    code = chapter.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    found = verify_store("mine")
    assert (found.images, found.boxes, found.problems) == (2, 2, [])
    store = open_store("mine")
    assert store.failures == {9: "the file is missing"}
    np.testing.assert_array_equal(store[7][2], np.eye(2, 4))
