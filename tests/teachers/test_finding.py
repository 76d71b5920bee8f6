import numpy as np
import pytest
from plugins import Words, install

import vild
from vild.errors import TeacherError

pytestmark = pytest.mark.numpy

PLUGIN = """
import numpy as np

class Zeros:
    name, dim, image_size = "zeros", 4, 8

    def __init__(self, argument):
        if argument == "raise":
            raise RuntimeError("no weights")
        self.argument = argument

    def encode_text(self, texts):
        return np.eye(1, 4, dtype="float32").repeat(len(texts), 0)

    def encode_image(self, images):
        if self.argument == "broken":
            raise OSError("disk on fire")
        return np.eye(1, 4, dtype="float32").repeat(len(images), 0)

def without(): return Zeros("")
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    install(tmp_path, "zeros_teacher", PLUGIN, "zeros = zeros_teacher:Zeros")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_installed_teachers_are_listed(plugin):
    found = vild.teachers.list()
    assert found["zeros"] == "zeros_teacher"
    assert {"open_clip", "precomputed", "shapes"} <= set(found)
    assert list(found) == sorted(found)


def test_a_plug_in_gets_its_argument(plugin):
    teacher = vild.teachers.get("zeros:C:/weights:1")
    assert teacher.argument == "C:/weights:1"
    assert isinstance(teacher, vild.teachers.Teacher)
    words = vild.Vocabulary.build(["cat"], "zeros:x", "single")
    np.testing.assert_array_equal(words.embeddings, np.eye(1, 4))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("zeros", "'zeros' needs an argument: write 'zeros:...'"),
        ("shapes:big", "'shapes' takes no argument"),
        ("nobody:x", r"no teacher 'nobody'; installed are open_clip, .*zeros"),
        ("", "no teacher ''"),
        ("zeros:raise", r"package 'zeros_teacher' cannot be made .*no weights"),
        ("zeros:broken", r"'zeros': encode_image failed \(OSError: disk on fire\)"),
    ],
)
def test_specifications_that_cannot_be_used(plugin, spec, message):
    with pytest.raises(TeacherError, match=message):
        vild.teachers.get(spec)


def test_a_plug_in_that_cannot_be_imported(tmp_path, monkeypatch):
    install(tmp_path, "gone_teacher", "import not_there", "gone = gone_teacher:Gone")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TeacherError, match=r"'gone_teacher' cannot be imported"):
        vild.teachers.get("gone")


def test_objects_are_tried():
    teacher = Words()
    assert vild.teachers.get(teacher) is teacher
    assert teacher.seen


def broken(**changes):
    return type("Broken", (Words,), changes)()


def rows(function):
    return lambda self, texts: function(Words.encode_text(self, texts))


def turned(self, texts):
    return Words.encode_text(self, texts)[::-1]


def company(self, texts):
    together = Words.encode_text(self, texts) + len(texts)
    return together / np.linalg.norm(together, axis=1, keepdims=True)


BROKEN = {
    "raises": ({"encode_text": lambda self, texts: 1 / 0}, "ZeroDivisionError"),
    "shape": ({"encode_text": rows(lambda r: r[:, :3])}, r"shape \(3, 16\).*\(3, 3\)"),
    "rows": ({"encode_text": rows(lambda r: r[:1])}, r"returned \(1, 16\)"),
    "nan": ({"encode_text": rows(lambda r: r * np.float32("nan"))}, "NaN"),
    "type": ({"encode_text": rows(lambda r: r.astype("float64"))}, "float32"),
    "list": ({"encode_text": rows(lambda r: r.tolist())}, "NumPy array.*list"),
    "length": ({"encode_text": rows(lambda r: 2 * r)}, "length 1, .* length 2"),
    "order": ({"encode_text": turned}, "order of the inputs"),
    "company": ({"encode_text": company}, "its own input alone"),
    "name": ({"name": None}, "needs a name"),
    "size": ({"image_size": 2.5}, "image_size, a whole number"),
    "method": ({"encode_image": None}, "needs a method encode_image"),
    "resize": ({"resize": "stretch"}, "'squash' or 'crop'"),
    "prompts": ({"templates": ["no slot"]}, "templates of the teacher .* no slot"),
    "property": ({"resize": property(lambda self: 1 / 0)}, "its resize failed"),
    "nan fact": ({"fingerprint": {"x": float("nan")}}, "dict of strings"),
    "facts": ({"fingerprint": ["x"]}, "dict of strings"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_objects_that_are_no_teachers(kind):
    changes, message = BROKEN[kind]
    with pytest.raises(TeacherError, match=message):
        vild.teachers.fingerprint(vild.teachers.check(broken(**changes)))
    with pytest.raises(TeacherError, match=message):
        vild.Vocabulary.build(["cat"], broken(**changes), "single")


def test_half_precision_is_near_enough():
    half = broken(
        encode_text=rows(lambda r: r.astype("float16").astype("float32")),
    )
    vild.teachers.check(half)
    words = vild.Vocabulary.build(["cat"], half, ["{}"])
    assert abs(np.linalg.norm(words.embeddings) - 1) < 1e-6


def test_one_encoder_is_enough():
    def no_images(self, images):
        raise NotImplementedError("words only")

    def no_texts(self, texts):
        raise NotImplementedError

    assert vild.teachers.check(broken(encode_image=no_images))
    assert vild.teachers.check(broken(encode_text=no_texts))
    with pytest.raises(TeacherError, match=r"has no encode_text"):
        vild.Vocabulary.build(["cat"], broken(encode_text=no_texts))
    with pytest.raises(TeacherError, match="no encoder at all"):
        vild.teachers.check(broken(encode_text=no_texts, encode_image=no_images))


def test_a_class_is_not_an_object():
    with pytest.raises(TeacherError, match=r"write Words\(\)"):
        vild.teachers.get(Words)
