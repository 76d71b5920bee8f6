import json

import numpy as np
import pytest
from plugins import Words

import vild
from vild.data.lvis import lvis_categories
from vild.errors import CheckpointError, TeacherError

pytestmark = pytest.mark.numpy

ROWS = np.random.default_rng(0).normal(size=(3, 8)).astype("float32")
UNIT = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
NAMES = ["bow_(weapon)", ["sofa", "couch"], "cat/dog"]


@pytest.fixture(params=["npz", "txt", "json", "turned", "half", "vocabulary"])
def path(request, tmp_path):
    path = tmp_path / "words.npy"
    lines = ["bow_(weapon)", "sofa | couch", "", "cat/dog"]
    if request.param == "npz":
        path = tmp_path / "words.npz"
        names = ["bow_(weapon)", "sofa", "cat/dog"]
        np.savez(path, names=names, embeddings=ROWS)
    elif request.param == "vocabulary":
        path = tmp_path / "words.npz"
        vild.Vocabulary(NAMES, ROWS).save(path)
    elif request.param == "json":
        np.save(path, ROWS)
        path.with_suffix(".json").write_text(json.dumps(NAMES))
    else:
        matrix = ROWS.T if request.param == "turned" else ROWS
        np.save(path, matrix.astype("float16" if request.param == "half" else "f4"))
        path.with_suffix(".txt").write_text("\n".join(lines))
    return path


def test_names_are_looked_up_in_any_spelling(path, request):
    teacher = vild.teachers.get(f"precomputed:{path}")
    assert teacher.dim == 8
    # Numbers of half precision are off by up to 5e-4 of their size.
    near = 1e-3 if "half" in request.node.name else 1e-6
    texts = ["Bow (Weapon)", "sofa", "cat or dog"]
    np.testing.assert_allclose(teacher.encode_text(texts), UNIT, atol=near)
    words = vild.Vocabulary.build(NAMES[2:] + NAMES[:1], teacher)
    np.testing.assert_allclose(words.embeddings, UNIT[[2, 0]], atol=near)


def test_the_released_matrix(reference):
    path = reference / "clip_text_embeddings.npy"
    teacher = vild.teachers.get(f"precomputed:{path}")
    matrix = np.load(path)
    assert matrix.shape == (512, 1203)
    names = [category.name for category in lvis_categories()]
    words = vild.Vocabulary.build(names, teacher)
    np.testing.assert_allclose(words.embeddings, matrix.T, atol=1e-6)


def test_a_matrix_of_1203_columns_has_the_names_of_lvis(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(16, 1203))
    np.save(tmp_path / "released.npy", matrix)
    teacher = vild.teachers.get(f"precomputed:{tmp_path / 'released.npy'}")
    row = teacher.encode_text([lvis_categories()[700].name])[0]
    expected = matrix[:, 700] / np.linalg.norm(matrix[:, 700])
    np.testing.assert_allclose(row, expected, atol=1e-6)


def test_a_saved_vocabulary_keeps_its_fingerprint(tmp_path):
    words = vild.Vocabulary.build(["cat", "dog"], Words(), "single")
    words.save(tmp_path / "words.npz")
    again = vild.Vocabulary.build(["dog"], f"precomputed:{tmp_path / 'words.npz'}")
    assert again.teacher == words.teacher
    np.testing.assert_allclose(again.embeddings, words.embeddings[1:], atol=1e-6)


def test_there_is_no_image_encoder(path):
    teacher = vild.teachers.get(f"precomputed:{path}")
    with pytest.raises(NotImplementedError, match="vectors of names only"):
        teacher.encode_image(np.zeros((1, 1, 1, 3), "uint8"))


def test_other_words_are_refused(path):
    teacher = vild.teachers.get(f"precomputed:{path}")
    with pytest.raises(TeacherError, match=r"'sofas'.*near: 'sofa'.*cannot encode"):
        vild.Vocabulary.build(["sofas"], teacher)


@pytest.mark.parametrize(
    "kind", ["gone", "junk", "short", "zero", "pickle", "nameless"]
)
def test_files_that_cannot_be_used(kind, tmp_path):
    path = tmp_path / "words.npy"
    rows = ROWS.copy()
    if kind == "junk":
        path.write_text("nothing of the kind")
    elif kind == "pickle":
        np.save(path, np.array([{}], dtype=object))
    elif kind != "gone":
        rows[1] *= kind != "zero"
        np.save(path, rows)
        if kind != "nameless":
            names = "a\nb\n" if kind == "short" else "a\nb\nc\n"
            path.with_suffix(".txt").write_text(names)
    message = {
        "gone": "There is no file",
        "junk": "cannot be read",
        "pickle": "cannot be read",
        "short": "has 2 names",
        "zero": "the vector of 'b' has no direction",
        "nameless": "holds no names",
    }[kind]
    with pytest.raises(CheckpointError, match=message):
        vild.teachers.get(f"precomputed:{path}")
