import numpy as np
import pytest
from small_datasets import Few, make_example, run_doctests

from vild.data.batches import Batches
from vild.data.dataset import Category, check_dataset
from vild.data.drawn_dataset import DrawnObjects
from vild.data.input_settings import InputSettings
from vild.data.joined import Joined
from vild.data.picked import Picked
from vild.errors import DataError, InputError

pytestmark = pytest.mark.numpy


class Named(Few):
    """A few images with one object of each category."""

    def __init__(self, name, *categories, images=1):
        self.name, self.categories = name, categories
        ids = np.array([category.id for category in categories])
        boxes = np.tile(np.array([[1, 2, 11, 12]], np.float32), (len(ids), 1))
        super().__init__(
            *(
                make_example(
                    image_id=5, boxes=boxes, category_ids=ids, packed_masks=None
                )
                for _ in range(images)
            )
        )


@pytest.mark.parametrize("module", ["joined", "picked"])
def test_examples(module, tmp_path, monkeypatch):
    run_doctests(module, tmp_path, monkeypatch)


def test_categories_of_one_name_are_one_and_images_say_what_they_are_annotated_for():
    pets = Named("pets", Category(2, "cat"), Category(9, "dog", base=False), images=2)
    farm = Named("farm", Category(2, "Dog"), Category(3, "cow"))
    both = check_dataset(Joined([pets, farm], [Category(1, "owl"), Category(2, "COW")]))
    assert [c.name for c in both.categories] == ["owl", "COW", "cat", "dog"]
    assert [c.id for c in both.categories] == [1, 2, 3, 4]
    assert both.categories[3].base  # on the farm it is
    assert both.name == "pets + farm"
    assert [both[i].image_id for i in range(3)] == [1, 2, 3]
    assert both[1].category_ids.tolist() == both[1].annotated_ids.tolist() == [3, 4]
    assert both[2].category_ids.tolist() == both[2].annotated_ids.tolist() == [4, 2]
    for index in (-1, 3):
        with pytest.raises(IndexError):
            both[index]
    # What is partial stays so.
    again = Joined([both, Named("sea", Category(7, "cod"))])
    assert again[2].annotated_ids.tolist() == both[2].annotated_ids.tolist()


def test_a_synonym_of_one_class_is_that_class_unless_somebody_tells_them_apart():
    known = [
        Category(1, "sofa", ("sofa", "couch", "seat")),
        Category(2, "stool", ("stool", "seat")),
    ]

    def names(*own):
        mine = Named("mine", *(Category(i + 1, n) for i, n in enumerate(own)))
        return [c.name for c in Joined([mine], known).categories]

    assert names("Couch") == ["sofa", "stool"]
    assert names("seat") == ["sofa", "stool", "seat"]  # it may be either
    assert names("couch", "sofa") == ["sofa", "stool", "couch"]


def test_what_is_held_out_is_excluded():
    owl = Category(4, "owl", base=False, excluded=True)
    pets = Named("pets", Category(2, "cat"), Category(9, "dog"), owl)
    both = Joined([pets], held_out=["Cat"])
    assert [c.excluded for c in both.categories] == [True, False, False]
    assert [c.excluded for c in Joined([pets]).categories] == [False, False, True]
    assert both.fingerprint is None


def test_names_that_are_the_same_are_told():
    twins = Named("twins", Category(1, "red ring"), Category(2, "Red_Ring"))
    with pytest.raises(DataError, match="'red ring' and 'Red_Ring' of 'twins'"):
        Joined([twins])


def test_fingerprints_change_with_what_is_joined_and_picked():
    one, other = DrawnObjects("val:4"), DrawnObjects("train:4")
    marks = {
        Joined([one]).fingerprint,
        Joined([one, other]).fingerprint,
        Joined([other, one]).fingerprint,
        Joined([one], [Category(1, "owl")]).fingerprint,
        Picked(one, [0, 1]).fingerprint,
        Picked(one, [1, 0]).fingerprint,
        Picked(other, [0, 1]).fingerprint,
    }
    assert len(marks) == 7
    assert Picked(one, [0, 1]).fingerprint == Picked(one, np.arange(2)).fingerprint


def test_images_that_are_not_there_cannot_be_picked():
    for index in (-1, 4):
        with pytest.raises(InputError, match="4 images, received the number"):
            Picked(DrawnObjects("val:4"), [0, index])


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_say_what_images_are_annotated_for(workers):
    pets = Named("pets", Category(2, "cat"), Category(9, "dog"))
    farm = Named("farm", Category(2, "dog"), Category(3, "cow"))
    both = Joined([pets, farm])
    settings = InputSettings(64, masks=False, classes=3)
    found = Batches(both, {1: 1, 2: 2, 3: 3}, settings, 2, workers=workers)
    iterator = iter(found.from_step(0))
    batch = next(iterator)
    iterator.close()
    images = [shown.index for shown in found.images(0)]
    expected = np.array([[True, True, False], [False, True, True]])[images]
    np.testing.assert_array_equal(batch["annotated"], expected)
    # A dataset that says nothing is annotated for everything.
    plain = Batches(pets, {2: 1, 9: 3}, settings, 1).at(0)["annotated"]
    assert plain.tolist() == [[True, False, True]]
    assert "annotated" not in Batches(
        both, {1: 1}, InputSettings(64, masks=False), 1
    ).at(0)
