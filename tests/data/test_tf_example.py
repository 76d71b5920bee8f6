import contextlib
import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from small_datasets import run_doctests

from vild.data.tf_example import decode_example, encode_example
from vild.data.tfrecord import stream_tfrecord, write_tfrecord
from vild.errors import DataError, InputError

needs_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"
)

features = st.dictionaries(
    st.text(max_size=8),
    st.one_of(
        st.lists(st.binary(max_size=12), max_size=4),
        arrays.arrays(np.float32, st.integers(0, 9)),
        arrays.arrays(np.int64, st.integers(0, 9)),
    ),
    max_size=5,
)


def assert_equal(received, expected):
    assert received.keys() == expected.keys()
    for name, values in expected.items():
        if isinstance(values, list):
            assert received[name] == values
        else:
            assert received[name].dtype == values.dtype
            np.testing.assert_array_equal(received[name], values)


def field(number, kind, data):
    tag = bytes([number << 3 | kind])
    return tag + (bytes([len(data)]) if kind == 2 else b"") + data


def handmade(feature):
    pair = field(1, 2, b"a") + field(2, 2, feature)
    return field(1, 2, field(1, 2, pair))


def test_examples_run(tmp_path, monkeypatch):
    run_doctests("tf_example", tmp_path, monkeypatch)


@settings(max_examples=300)
@given(features)
def test_what_is_written_is_read(content):
    assert_equal(decode_example(encode_example(content)), content)


@given(arrays.arrays(np.int64, st.integers(0, 30)))
def test_integers_of_all_lengths(values):
    assert_equal(decode_example(encode_example({"a": values})), {"a": values})


def test_borders_of_integers():
    values = np.array([0, 127, 128, 2**63 - 1, -1, -(2**63), 2**56, 2**35 - 1])
    assert_equal(decode_example(encode_example({"a": values})), {"a": values})


def test_lists_that_are_not_packed_and_lists_in_parts():
    one, two = np.array([1.5, -2], "<f4")
    loose = field(1, 5, one.tobytes()) + field(1, 5, two.tobytes())
    packed = field(1, 2, one.tobytes() + two.tobytes())
    for content, expected in [
        (field(2, 2, loose), [one, two]),
        (field(2, 2, packed), [one, two]),
        (field(2, 2, packed + loose), [one, two] * 2),
        (field(2, 2, packed) + field(2, 2, loose), [one, two] * 2),
        (field(3, 2, b"") + field(2, 2, b""), []),
    ]:
        expected = np.array(expected, np.float32)
        assert_equal(decode_example(handmade(content)), {"a": expected})
    minus = b"\xff" * 9 + b"\x01"
    loose = field(1, 0, b"\x05") + field(1, 0, minus)
    for content in (loose, field(1, 2, b"\x05" + minus)):
        received = decode_example(handmade(field(3, 2, content)))
        assert_equal(received, {"a": np.array([5, -1])})


def test_a_feature_without_content():
    assert decode_example(handmade(b"")) == {"a": []}
    assert decode_example(b"") == {}


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05ab",
        b"\x08\x01",
        b"\x0f",
        handmade(field(2, 2, field(1, 2, b"abc"))),
        handmade(field(2, 2, field(1, 1, b"12345678"))),
        handmade(field(3, 2, field(1, 2, b"\xff"))),
        handmade(field(3, 2, field(1, 2, b"\xff" * 11 + b"\x00"))),
        handmade(field(1, 2, field(1, 0, b"\x05"))),
        field(1, 2, field(1, 2, field(1, 2, b"\xff"))),
    ],
)
def test_damaged_examples(data):
    with pytest.raises(DataError, match=r"tf\.train\.Example, but"):
        decode_example(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(DataError):
        decode_example(data)


@pytest.mark.parametrize(
    "values",
    ["text", b"bytes", ["text"], [1], np.zeros(2), np.zeros((2, 2), np.float32)],
)
def test_values_of_other_kinds(values):
    with pytest.raises(InputError, match="feature 'a' must be"):
        encode_example({"a": values})


FROM_TENSORFLOW = """
import sys
import numpy as np, tensorflow as tf
path = sys.argv[1]
examples = []
for record in tf.data.TFRecordDataset(path + "/ours").as_numpy_iterator():
    example = tf.train.Example.FromString(record)
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        print(name, kind, list(getattr(feature, kind).value))
    examples.append(example)
with tf.io.TFRecordWriter(path + "/theirs") as writer:
    for example in examples:
        writer.write(example.SerializeToString())
"""


@needs_tensorflow
def test_tensorflow_reads_ours_and_we_read_its(tmp_path):
    content = {
        "bytes": [b"x", b"", b"\xff"],
        "floats": np.array([1.5, -3e38, 0], np.float32),
        "integers": np.array([0, -1, 2**63 - 1, -(2**63), 300]),
        "no bytes": [],
        "no floats": np.zeros(0, np.float32),
        "no integers": np.zeros(0, np.int64),
    }
    write_tfrecord(tmp_path / "ours", [encode_example(content)] * 2)
    result = subprocess.run(
        [sys.executable, "-c", FROM_TENSORFLOW, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    lines = set(result.stdout.splitlines())
    assert (
        "integers int64_list [0, -1, 9223372036854775807, -9223372036854775808, 300]"
        in lines
    )
    assert "bytes bytes_list [b'x', b'', b'\\xff']" in lines
    assert {
        "no bytes bytes_list []",
        "no floats float_list []",
        "no integers int64_list []",
    } <= lines
    theirs = [decode_example(r) for r in stream_tfrecord(tmp_path / "theirs")]
    assert len(theirs) == 2
    for example in theirs:
        assert_equal(example, content)
