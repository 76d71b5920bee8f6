import clips
import pytest
from clips import in_a_new_python, photos

from vild.errors import InputError, TeacherError
from vild.teachers.open_clip import OpenClip

pytestmark = clips.needs_open_clip


def test_nothing_heavy_is_imported_before_it_is_needed():
    program = """
import sys
from vild.errors import TeacherError
from vild.teachers.open_clip import OpenClip
teacher = OpenClip("ViT-B-32/openai")
print(teacher.dim, teacher.image_size, teacher.resize, teacher.fingerprint)
try:
    OpenClip("ViT-B-32/laion2b_s34b")
except TeacherError as error:
    print(error)
assert not {"torch", "open_clip", "torchvision", "keras"} & set(sys.modules)
"""
    said = in_a_new_python(program)
    assert "512 224 crop" in said
    assert "perhaps you mean 'laion2b_s34b_b79k'" in said


def test_inputs_are_checked_before_anything_is_loaded(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"nothing")
    teacher = OpenClip(f"ViT-B-32/{tmp_path}/w.pt")
    for images in (photos(32), photos(224)[0], photos(224).astype("float32")):
        with pytest.raises(InputError, match=r"takes \(N, 224, 224, 3\) uint8"):
            teacher.encode_image(images)
    with pytest.raises(InputError, match="received int 3"):
        teacher.encode_text(["a", 3])
    with pytest.raises(InputError, match="must be a list"):
        teacher.encode_text("a cat")


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("ViT-B-32", "takes <model>/<pretrained tag"),
        ("/openai", "takes <model>/<pretrained tag"),
        ("ViT-B32/openai", "perhaps you mean 'ViT-B-32'"),
        ("zzz/openai", "see open_clip.list_models"),
        ("hf-hub:laion/CLIP", "give the name of the model and a local file"),
        ("ViT-B-32/openia", "perhaps you mean 'openai'"),
        ("ViT-B-32/zzz", "among its 22 tags are openai"),
        ("ViT-B-32-quickgelu/laion2b_s34b_b79k", "has no pretrained weights"),
        ("ViT-S-32/openai", "it has none, give a local file"),
        ("ViT-B-32//nowhere/w.pt", "no file: expected a file of weights"),
        ("ViT-B-32/w.safetensors", "no file: expected a file of weights"),
        ("ViT-B-32//", "a folder: expected a file of weights"),
    ],
)
def test_a_wrong_argument_is_told_in_a_sentence(argument, complaint):
    with pytest.raises(TeacherError, match=complaint) as caught:
        OpenClip(argument)
    assert len(str(caught.value)) < 250
    assert str(caught.value).endswith(".")


def test_wrong_options_are_told():
    for options in ({"dtype": "int8"}, {"batch_size": 0}, {"batch_size": 1.5}):
        with pytest.raises(InputError, match=next(iter(options))):
            OpenClip("ViT-B-32/openai", **options)


def test_images_that_are_not_square_are_refused(tmp_path):
    weights = tmp_path / "w.pt"
    weights.touch()
    clips.add_config(tmp_path, "vild-wide", vision_cfg__image_size=[32, 48])
    with pytest.raises(TeacherError, match="need square ones"):
        OpenClip(f"vild-wide/{weights}")
    clips.add_config(tmp_path, "vild-pair", vision_cfg__image_size=[48, 48])
    assert OpenClip(f"vild-pair/{weights}").image_size == 48
