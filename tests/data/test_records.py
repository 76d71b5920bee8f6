import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_datasets import NOISE, Few, encoded, make_example, run_doctests

import vild
from vild.data.dataset import Category, check_dataset
from vild.data.lvis import lvis_categories
from vild.data.pictures import Picture
from vild.data.record_schema import from_features, to_features
from vild.data.released_records import Records, write_records
from vild.data.tf_example import decode_example, encode_example
from vild.data.tfrecord import TFRecordFile, stream_tfrecord, write_tfrecord
from vild.errors import DataError, InputError

KINDS = {"bytes": "bytes_list", "float32": "float_list", "int64": "int64_list"}


@pytest.mark.parametrize(
    "name", ["record_about", "record_writing", "released_records", "processes"]
)
def test_examples_run(name, tmp_path, monkeypatch):
    run_doctests(name, tmp_path, monkeypatch)


class Many(Few):
    """Images of an image id, a size and a picture of their own."""

    name = "many"
    fingerprint = "1"

    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        return replace(make_example(), image_id=100 + index)


class Failing(Many):
    def __getitem__(self, index):
        if index == 7:
            raise DataError("image 7 is gone")
        return super().__getitem__(index)


class Killed(Many):
    def __getitem__(self, index):
        if index == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


class Watching(Many):
    """Notes which images were asked for."""

    def __init__(self, count=10):
        super().__init__(count)
        self.seen = []

    def __getitem__(self, index):
        self.seen.append(index)
        return super().__getitem__(index)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# The released files.


def test_released_files_are_decoded_as_by_the_released_reader(reference):
    decoded = np.load(reference / "lvis_tiny" / "decoded.npz")
    records = Records(reference / "lvis_tiny" / "val-*.tfrecord")
    assert len(records) == 3
    assert check_dataset(records).categories == lvis_categories()
    for index, example in enumerate(records):
        expected = {
            key.removeprefix(f"record_{index}__"): decoded[key]
            for key in decoded.files
            if key.startswith(f"record_{index}__")
        }
        height, width = example.size
        assert str(example.image_id) == str(expected["source_id"])
        assert (height, width) == (expected["height"], expected["width"])
        # The released reader takes TensorFlow's default, the fast and rougher inverse
        # transform of JPEG; Pillow's is the accurate one.
        difference = np.abs(example.image.astype(int) - expected["image"])
        assert difference.max() <= 8
        assert difference.mean() < 1.2
        assert example.category_ids.tolist() == expected["groundtruth_classes"].tolist()
        np.testing.assert_array_equal(example.crowd, expected["groundtruth_is_crowd"])
        np.testing.assert_array_equal(example.areas, expected["groundtruth_area"])
        np.testing.assert_array_equal(
            example.masks, expected["groundtruth_instance_masks"].astype(bool)
        )
        pixels = expected["groundtruth_boxes"] * np.float32([height, width] * 2)
        np.testing.assert_array_equal(example.boxes[:, [1, 0, 3, 2]], pixels)
        assert example.roi_boxes is None
    assert records[0].negative_ids.tolist() == [5, 9]
    assert records[0].not_exhaustive_ids.tolist() == [3]
    assert records[-1].file_name == "val2017/000000013923.jpg"


def test_a_released_record_for_distillation(reference):
    path = reference / "train_parser_example.tfrecord"
    example = check_dataset(Records(path))[0]
    golden = np.load(reference / "train_parser.npz")
    assert example.image_id == golden["eval__source_id"] == 4242
    assert example.size == (110, 150)
    assert example.roi_features.shape == (5, 512)
    assert example.roi_features.dtype == np.float32
    np.testing.assert_array_equal(
        golden["plain__gt_visual_feat"][:5], example.roi_features
    )
    assert example.crowd.tolist().count(True) == 1
    # The golden is scaled to the model input of 128 pixels and clipped to it.
    scale = golden["plain__image_info"][2]
    scaled = (example.roi_boxes[:, [1, 0, 3, 2]] * np.tile(scale, 2)).clip(0, 127)
    np.testing.assert_allclose(golden["plain__roi_boxes"][:5], scaled, atol=1e-3)
    count = int(golden["eval__gt_num_detections"][0])
    np.testing.assert_array_equal(golden["eval__gt_areas"][:count], example.areas)
    np.testing.assert_array_equal(golden["eval__gt_is_crowds"][:count], example.crowd)


def assert_same_records(received, expected):
    assert received.keys() == expected.keys()
    for key, values in expected.items():
        if "/bbox/" in key:
            # Pixels are in single precision between reading and writing.
            np.testing.assert_allclose(received[key], values, rtol=2.4e-7)
        elif key == "image/object/mask":
            for one, other in zip(received[key], values, strict=True):
                masks = [np.asarray(Image.open(io.BytesIO(m))) for m in (one, other)]
                np.testing.assert_array_equal(*masks)
        elif isinstance(values, list):
            assert received[key] == values, key
        else:
            np.testing.assert_array_equal(received[key], values)


def test_released_records_are_written_as_they_were(reference, tmp_path):
    paths = sorted((reference / "lvis_tiny").glob("*.tfrecord"))
    written = write_records(Records(paths), tmp_path, "val", shards=2)
    assert [path.name for path in written] == [path.name for path in paths]
    for ours, theirs in zip(written, paths, strict=True):
        for one, other in zip(
            stream_tfrecord(ours), stream_tfrecord(theirs), strict=True
        ):
            assert_same_records(decode_example(one), decode_example(other))
    path = reference / "train_parser_example.tfrecord"
    written = write_records(Records(path), tmp_path, "train")
    one = decode_example(TFRecordFile(written[0])[0])
    added = [f"image/{x}" for x in ("filename", "format", "key/sha256")]
    added += ["image/image_neg_category_ids", "image/not_exhaustive_category_ids"]
    for key in [*added, "image/object/class/text"]:
        assert key in one
        del one[key]
    assert_same_records(one, decode_example(next(stream_tfrecord(path))))


def test_keys_kinds_and_lengths(reference, tmp_path):
    expected = json.loads((reference / "lvis_tiny" / "feature_keys.json").read_text())
    records = Records(reference / "lvis_tiny")
    received = {}
    for path in write_records(records, tmp_path, "val", shards=2):
        for record in stream_tfrecord(path):
            received[f"{path.name}#{len(received)}"] = {
                key: [KINDS[str(getattr(values, "dtype", "bytes"))], len(values)]
                for key, values in decode_example(record).items()
            }
    assert received == expected


# Ours.


def test_what_is_written_is_read(tmp_path):
    plain = make_example(file_name="a/b.png", negative_ids=np.array([1, 9]))
    empty = make_example(
        boxes=np.zeros((0, 4), np.float32),
        category_ids=np.zeros(0, np.int64),
        packed_masks=None,
    )
    boxes_only = make_example(packed_masks=None, crowd=np.array([False, True]))
    called = make_example(packed_masks=lambda: np.eye(20, 30, dtype=bool)[None][[0, 0]])
    regions = make_example(
        roi_boxes=np.array([[1, 2, 3, 4], [0, 0, 30, 20]], np.float32),
        roi_features=np.arange(6, dtype=np.float32).reshape(2, 3),
        roi_scores=np.array([0.25, 0.5], np.float32),
    )
    few = check_dataset(Few(plain, empty, boxes_only, called, regions))
    write_records(few, tmp_path, "val", shards=2)
    records = check_dataset(Records(tmp_path / "val-*"))
    assert records.name == "few"
    assert records.categories == few.categories
    for received, expected in zip(records, few.examples, strict=True):
        np.testing.assert_array_equal(received.image, expected.image)
        np.testing.assert_allclose(received.boxes, expected.boxes, rtol=2.4e-7)
        for name in ("category_ids", "crowd", "areas", "negative_ids", "size"):
            np.testing.assert_array_equal(
                getattr(received, name), getattr(expected, name)
            )
        if len(expected):
            np.testing.assert_array_equal(received.masks, expected.masks)
    assert records[0].file_name == "a/b.png"
    assert records[2].masks is None
    np.testing.assert_array_equal(records[4].roi_features, regions.roi_features)
    np.testing.assert_array_equal(records[4].roi_scores, regions.roi_scores)
    np.testing.assert_allclose(records[4].roi_boxes, regions.roi_boxes, rtol=2.4e-7)
    with pytest.raises(IndexError):
        records[5]


def test_files_keep_their_bytes():
    for kind, name in (("JPEG", b"jpeg"), ("PNG", b"png")):
        data = encoded(NOISE, kind)
        example = make_example(picture=Picture(data), size=(30, 40))
        features = to_features(example, {2: "cat", 7: "dog"})
        assert features["image/encoded"] == [data]
        assert features["image/format"] == [name]
    example = make_example(picture=Picture(encoded(NOISE, "BMP")), size=(30, 40))
    features = to_features(example, {2: "cat", 7: "dog"})
    assert features["image/format"] == [b"png"]
    np.testing.assert_array_equal(from_features(features).image, NOISE)


@pytest.mark.parametrize("workers", [1, 2])
def test_shards_are_stretches_whoever_writes_them(tmp_path, workers):
    paths = write_records(Many(), tmp_path, "val", shards=4, workers=workers)
    assert [len(TFRecordFile(path)) for path in paths] == [3, 3, 2, 2]
    assert [e.image_id for e in Records(tmp_path)] == list(range(100, 110))
    assert names_in(tmp_path) == [
        *(f"val-{i:05d}-of-00004.tfrecord" for i in range(4)),
        "val.json",
    ]


def test_more_shards_than_images(tmp_path):
    paths = write_records(Many(2), tmp_path, "val", shards=3)
    assert [len(TFRecordFile(path)) for path in paths] == [1, 1, 0]
    assert len(Records(tmp_path)) == 2
    assert len(Records(write_records(Many(0), tmp_path, "none"))) == 0


def test_going_on_after_a_failure(tmp_path):
    with pytest.raises(DataError, match="image 7 is gone"):
        write_records(Failing(), tmp_path, "val", shards=5)
    left = names_in(tmp_path)
    assert left == [*(f"val-{i:05d}-of-00005.tfrecord" for i in range(3)), "val.json"]
    watching = Watching()
    write_records(watching, tmp_path, "val", shards=5)
    assert watching.seen == [6, 7, 8, 9]
    assert [e.image_id for e in Records(tmp_path)] == list(range(100, 110))


def test_a_failure_in_another_process(tmp_path):
    with pytest.raises(DataError, match="image 7 is gone"):
        write_records(Failing(), tmp_path, "val", shards=5, workers=2)
    assert not [name for name in names_in(tmp_path) if name.startswith(".")]
    write_records(Many(), tmp_path, "val", shards=5, workers=2)
    assert len(Records(tmp_path)) == 10


def test_a_process_that_is_killed(tmp_path):
    with pytest.raises(DataError, match="was killed"):
        write_records(Killed(), tmp_path, "val", shards=5, workers=2)
    assert not [name for name in names_in(tmp_path) if name.startswith(".")]


def test_processes_start_afresh_beside_a_framework(tmp_path):
    # Nothing can be forked where threads run: the dataset travels instead.
    code = (
        "import sys, types; sys.modules['torch'] = types.ModuleType('torch')\n"
        "from test_records import Many\n"
        "from vild.data.released_records import write_records\n"
        "if __name__ == '__main__':\n"
        "    write_records(Many(), sys.argv[1], shards=3, workers=2)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    paths = [Path(__file__).parent, Path(vild.__file__).parents[1]]
    result = subprocess.run(
        [sys.executable, script, tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert len(Records(tmp_path / "out")) == 10


def test_files_of_another_dataset_are_not_mixed_in(tmp_path):
    write_records(Many(), tmp_path, "val", shards=2)
    changed = Many()
    changed.fingerprint = "2"
    for dataset, shards in ((changed, 2), (Many(9), 2), (Many(), 3)):
        with pytest.raises(DataError, match="which is not what is to be written"):
            write_records(dataset, tmp_path, "val", shards=shards)
    write_records(Many(9), tmp_path, "train", shards=2)
    (tmp_path / "val.json").unlink()
    with pytest.raises(DataError, match="from elsewhere"):
        write_records(Many(), tmp_path, "val", shards=2)


def test_folders_of_several_or_missing_files(tmp_path):
    write_records(Many(), tmp_path, "val", shards=2)
    write_records(Many(), tmp_path, "train", shards=2)
    with pytest.raises(DataError, match=r"several splits \(train, val\): name one"):
        Records(tmp_path)
    assert len(Records(f"{tmp_path}/val-*")) == len(Records(f"{tmp_path}/val*")) == 10
    first = tmp_path / "val-00000-of-00002.tfrecord"
    assert len(Records(first)) == len(Records([first])) == 5
    (tmp_path / "val-00001-of-00002.tfrecord").unlink()
    with pytest.raises(DataError, match="one of 2 files, but 1 are there"):
        Records(tmp_path / "val-*")
    with pytest.raises(DataError, match="no TFRecord files"):
        Records(tmp_path / "test-*")
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(DataError, match=r"train\.json' to say"):
        Records(tmp_path / "train-*")


def test_categories_and_a_name_of_ones_own(tmp_path):
    write_records(Many(), tmp_path, "val", shards=1)
    records = Records(tmp_path, [Category(2, "a"), Category(7, "b")], "mine")
    assert check_dataset(records).name == "mine"
    with pytest.raises(DataError, match="category 2, which is none of the 1"):
        Records(tmp_path, [Category(7, "b")])[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shards": 0}, "Shards must be 1"),
        ({"workers": 0}, "Workers must be 1"),
        ({"split": "a/b"}, "plain name"),
        ({"split": ""}, "plain name"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        write_records(Many(), tmp_path, **settings)


CHANGES = {
    "no image": ({"image/encoded": None}, r"has no 'image/encoded'"),
    "labels": ({"image/object/class/label": np.array([1])}, r"2 values of int64"),
    "kind": ({"image/object/class/label": np.ones(2, np.float32)}, "of float32 as"),
    "corner": ({"image/object/bbox/xmax": None}, "no 'image/object/bbox/xmax'"),
    "area": ({"image/object/area": np.ones(3, np.float32)}, "3 values"),
    "mask": ({"image/object/mask": [b"x"]}, "1 masks for 2 boxes"),
    "id": ({"image/source_id": [b"a.jpg"]}, "'a.jpg', which is no whole number"),
    "regions": (
        {
            f"image/roi/bbox/{c}": np.ones(2, np.float32)
            for c in ("xmin", "xmax", "ymin", "ymax")
        }
        | {"image/roi/feature": np.ones(3, np.float32)},
        "3 numbers of features for 2 regions",
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_records_of_another_schema(tmp_path, kind):
    changes, message = CHANGES[kind]
    features = to_features(make_example(), {2: "cat", 7: "dog"}) | changes
    features = {name: v for name, v in features.items() if v is not None}
    write_tfrecord(tmp_path / "a.tfrecord", [b"", encode_example(features)])
    records = Records(tmp_path)
    with pytest.raises(DataError, match=rf"Record 1 of .*{message}.*released schema"):
        records[1]


def test_what_records_may_leave_out(tmp_path):
    features = to_features(make_example(), {2: "cat", 7: "dog"})
    features["image/object/bbox/xmin"] = np.array([-0.5, 0], np.float32)
    kept = ("encoded", "source_id", "object/bbox", "object/class/label")
    few = {
        k: v
        for k, v in features.items()
        if k.startswith(tuple(f"image/{x}" for x in kept))
    }
    example = from_features(few)
    assert example.size == (20, 30)
    assert example.masks is None
    np.testing.assert_allclose(example.boxes[0], [0, 2, 11, 12], rtol=1e-6)
    np.testing.assert_allclose(example.areas, [110, 600], rtol=1e-6)
    assert not example.crowd.any()


def test_damaged_records_are_named(tmp_path):
    write_tfrecord(tmp_path / "a.tfrecord", [b"\x0a\x05"])
    with pytest.raises(DataError, match=r"Record 0 of .*a\.tfrecord' is damaged"):
        Records(tmp_path)[0]


FROM_TENSORFLOW = """
import sys
import tensorflow as tf
record = next(tf.data.TFRecordDataset(sys.argv[1]).as_numpy_iterator())
spec = {"image/encoded": tf.io.FixedLenFeature((), tf.string),
        "image/source_id": tf.io.FixedLenFeature((), tf.string),
        "image/height": tf.io.FixedLenFeature((), tf.int64)}
for name in ("bbox/xmin", "bbox/ymax", "area"):
    spec["image/object/" + name] = tf.io.VarLenFeature(tf.float32)
spec["image/object/class/label"] = tf.io.VarLenFeature(tf.int64)
spec["image/object/mask"] = tf.io.VarLenFeature(tf.string)
spec["image/roi/feature"] = tf.io.VarLenFeature(tf.float32)
parsed = tf.io.parse_single_example(record, spec)
image = tf.io.decode_jpeg(parsed["image/encoded"], dct_method="INTEGER_ACCURATE")
image.numpy().tofile(sys.argv[2])
print(image.shape)
print(int(parsed["image/height"]), parsed["image/source_id"].numpy())
print(parsed["image/object/class/label"].values.numpy().tolist())
print(parsed["image/object/area"].values.numpy().tolist())
print(tf.io.decode_png(parsed["image/object/mask"].values[0]).numpy().sum())
print(parsed["image/roi/feature"].values.numpy().tolist())
"""


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"
)
def test_tensorflow_reads_what_we_wrote(tmp_path):
    regions = make_example(
        roi_boxes=np.array([[1, 2, 3, 4]], np.float32),
        roi_features=np.array([[1.5, -2]], np.float32),
    )
    picture = Picture(encoded(NOISE[:20, :30], "JPEG"))
    [path] = write_records(Few(replace(regions, picture=picture)), tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", FROM_TENSORFLOW, path, tmp_path / "pixels"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "(20, 30, 3)",
        "20 b'5'",
        "[2, 7]",
        "[100.0, 600.0]",
        "600",
        "[1.5, -2.0]",
    ]
    # Their accurate decoder is ours.
    pixels = np.fromfile(tmp_path / "pixels", np.uint8).reshape(20, 30, 3)
    np.testing.assert_array_equal(pixels, picture.decode())


def test_interruption_leaves_whole_files_only(tmp_path):
    code = (
        "import sys, time\n"
        "from test_records import Many\n"
        "from vild.data.released_records import write_records\n"
        "class Slow(Many):\n"
        "    def __getitem__(self, index):\n"
        "        time.sleep(0.05)\n"
        "        return super().__getitem__(index)\n"
        "write_records(Slow(400), sys.argv[1], shards=20, workers=2)\n"
    )
    paths = [Path(__file__).parent, Path(vild.__file__).parents[1]]
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.time() + 60
    while time.time() < deadline and not list((tmp_path / "out").glob("*.tfrecord")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0
    assert stderr.count(b"Traceback (most recent call last)") <= 1
    left = names_in(tmp_path / "out")
    assert not [name for name in left if name.startswith(".")]
    for name in left:
        if name.endswith(".tfrecord"):
            assert len(TFRecordFile(tmp_path / "out" / name)) == 20
