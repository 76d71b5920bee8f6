"""Files that do not belong together, or are not what they should be."""

import json
import warnings

import pytest
from referees import official_coco, official_lvis
from synthetic import make, save

from vild.errors import DataError, InputError
from vild.evaluation import evaluate_files

pytestmark = pytest.mark.numpy


@pytest.fixture
def files(tmp_path):
    """Writes a changed ground truth and changed results."""
    truth, found = make(8, 5, 12)
    contiguous = {c["id"]: number for number, c in enumerate(truth["categories"], 1)}
    for entry in [*truth["annotations"], *found]:
        entry["category_id"] = contiguous[entry["category_id"]]
    for entry in truth["categories"]:
        entry["id"] = contiguous[entry["id"]]
    for image in truth["images"]:
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            image[key] = [contiguous[i] for i in image[key]]
    found = [r for r in found if all(side > 1 for side in r["bbox"])]

    def write(change=None):
        if change is not None:
            change(truth, found)
        return save(tmp_path, truth, found)

    return write


def refused(paths, message, protocol="lvis", **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match=message) as caught:
            evaluate_files(*paths, protocol, **settings)
    assert str(caught.value).endswith(".")


def test_results_for_unknown_images(files):
    paths = files(lambda truth, found: found[3].update(image_id=10**6))
    refused(paths, r"results for id 1000000, but 'truth' has no such image")


def test_places_in_a_list_for_image_ids(files):
    def change(truth, found):
        ids = [image["id"] for image in truth["images"]]
        for result in found:
            result["image_id"] = ids.index(result["image_id"])

    refused(files(change), "look like places in a list")


def test_results_of_unknown_categories(files):
    paths = files(lambda truth, found: found[3].update(category_id=77))
    refused(paths, r"results of id 77, but 'truth' has no such category.* from 1 to 5")


def test_categories_counted_from_0(files):
    def change(truth, found):
        for result in found:
            result["category_id"] -= 1

    refused(files(change), r"count from 0 \(0-based\), the ground truth from 1: add 1")


def test_categories_counted_from_1(files):
    def change(truth, found):
        for entry in [*truth["annotations"], *truth["categories"]]:
            key = "category_id" if "category_id" in entry else "id"
            entry[key] -= 1
        for image in truth["images"]:
            image["neg_category_ids"] = [i - 1 for i in image["neg_category_ids"]]
            image["not_exhaustive_category_ids"] = []

    refused(files(change), r"count from 1 \(1-based\), the ground truth from 0")


def test_categories_without_the_gaps_of_the_ground_truth(tmp_path):
    truth, found = make(8, 5, 12)  # its ids are 1, 3, 5, ...
    for result in found:
        result["category_id"] = (result["category_id"] + 1) // 2
    refused(save(tmp_path, truth, found), "from 1 without gaps")


def test_a_shift_that_no_id_betrays_is_told(tmp_path):
    truth, found = make(20, 8, 20)
    ids = [entry["id"] for entry in truth["categories"]]
    for entry in truth["categories"]:
        entry["id"] = ids.index(entry["id"]) + 1
    for entry in truth["annotations"]:
        entry["category_id"] = ids.index(entry["category_id"]) + 1
    for image in truth["images"]:
        image["neg_category_ids"] = list(range(1, 9))
        image["not_exhaustive_category_ids"] = []
    for result in found:
        result["category_id"] = ids.index(result["category_id"])
    found = [result for result in found if result["category_id"] > 0]
    with pytest.warns(UserWarning, match=r"raised by 1, AP50 would be 0\.\d+ rather"):
        evaluate_files(*save(tmp_path, truth, found), "lvis", masks=False)


def test_a_category_that_is_left_out(files):
    paths = files(lambda truth, found: found[3].pop("category_id"))
    refused(paths, "each result needs the category_id that it is of")


@pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)")
@pytest.mark.parametrize("of", ["truth", "results"])
def test_whole_numbers_may_be_written_as_fractions(tmp_path, of):
    """As those of NumPy and pandas are, and as the official packages have it."""
    truth, found = make(8, 5, 12)
    plain = evaluate_files(*save(tmp_path, truth, found), "lvis").metrics

    def fractions(entries, *names):
        for entry in entries:
            entry.update({name: float(entry[name]) for name in names})

    if of == "results":
        fractions(found[::2], "image_id", "category_id")
    else:
        fractions(truth["annotations"], "id", "image_id", "category_id")
        fractions(truth["images"], "id", "height", "width")
        fractions(truth["categories"], "id")
        for image in truth["images"]:
            image["neg_category_ids"] = [float(i) for i in image["neg_category_ids"]]
    paths = save(tmp_path, truth, found)
    assert evaluate_files(*paths, "lvis").metrics == plain
    found[3]["image_id"] += 0.5
    refused(save(tmp_path, truth, found), "of another form")


@pytest.mark.parametrize("number", [10**30, 1e30, True])
def test_ids_that_are_none(files, number):
    paths = files(lambda truth, found: found[3].update(image_id=number))
    refused(paths, "of another form")
    paths = files(lambda truth, found: truth["images"][0].update(id=number))
    refused(paths, "Expected an image of")


def test_masks_that_are_null_are_none(files):
    def change(truth, found):
        for result in found:
            result["segmentation"] = None

    paths = files(change)
    assert list(evaluate_files(*paths, "lvis").metrics) == ["bbox"]
    paths = files(lambda truth, found: found[3].update(segmentation=[[1, 2, 3, 4]]))
    refused(paths, r"1 results of .* have a segmentation, but \d+ have none")


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_scores_that_are_not_finite(files, score):
    paths = files(lambda truth, found: found[3].update(score=score))
    refused(paths, "has a number that is not finite")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "are empty: check that the detector found anything"),
        ({"annotations": []}, r"are an object with \['annotations'\]"),
        ([{"image_id": 5}], "are of another form"),
        ([{"image_id": "5", "score": 0.5}], "are of another form .Expected `int`"),
        ([{"image_id": 5, "score": 0.5, "category_id": 1}], "neither bbox nor"),
        ([{"image_id": 5, "score": 0.5, "bbox": [1, 2, 3]}], "are of another form"),
        ("nothing", "are of another form"),
    ],
)
def test_what_are_no_results(files, tmp_path, content, message):
    paths = files()
    paths[1].write_text(json.dumps(content))
    refused(paths, message)


def test_results_that_are_cut_off(files):
    paths = files()
    paths[1].write_bytes(paths[1].read_bytes()[:-40])
    refused(paths, "are no json .* perhaps cut off")


def test_results_with_and_without(files):
    paths = files(lambda truth, found: found[3].pop("bbox"))
    refused(paths, r"results of .* have a bbox, but 1 have none")


def test_masks_of_another_size(files):
    def change(truth, found):
        for result in found:
            result["segmentation"] = {"size": [9, 9], "counts": "a2"}

    refused(files(change), r"is \[9, 9\] pixels, but its image")


@pytest.mark.parametrize("boxes", [True, False])
@pytest.mark.parametrize("counts", ["0b", "~", [1, 2], [1, 10**6], [3, -1]])
def test_runs_that_do_not_add_up(files, counts, boxes):
    """Which pycocotools would compare for ever."""

    def change(truth, found):
        for result in found:
            result["segmentation"]["counts"] = counts
            if not boxes:
                del result["bbox"]

    refused(files(change), "run lengths that do not add up|the runs do not cover")


def test_annotations_whose_runs_do_not_fit(files):
    def change(truth, found):
        truth["annotations"][3]["segmentation"] = {"size": [120, 160], "counts": [9]}

    refused(files(change), "run lengths that cover the image")

    def turned(truth, found):
        runs = {"size": [160, 120], "counts": [100, 50, 19050]}
        truth["annotations"][3]["segmentation"] = runs

    refused(files(turned), r"annotation 4 .* is \[160, 120\] pixels, but its image")


def test_masks_that_are_damaged(files):
    def change(truth, found):
        for result in found:
            result["segmentation"] = 7

    refused(files(change), "neither run lengths nor polygons")


@pytest.mark.parametrize("polygons", [[], [[1, 2, 3, 4]]])
def test_polygons_of_too_few_points(files, polygons):
    def change(truth, found):
        for result in found:
            result["segmentation"] = polygons

    refused(files(change), "a polygon has at least three points")


def test_ground_truth_without_masks(files):
    def change(truth, found):
        del truth["annotations"][0]["segmentation"]

    paths = files(change)
    with pytest.warns(UserWarning, match="Not every object of 'truth' has a mask"):
        metrics = evaluate_files(*paths, "lvis").metrics
    assert list(metrics) == ["bbox"]
    refused(paths, "not all objects of 'truth' have one", masks=True)


def test_results_without_masks_where_these_are_asked_for(files):
    def change(truth, found):
        for result in found:
            del result["segmentation"]

    refused(files(change), "not all predictions have one", masks=True)


def test_duplicates_are_told_and_count_as_mistakes(files):
    paths = files(lambda truth, found: found.extend([dict(found[0]), dict(found[1])]))
    with pytest.warns(UserWarning, match="2 results of .* are there more than once"):
        metrics = evaluate_files(*paths, "lvis").metrics
    assert metrics["bbox"]["AP"] == pytest.approx(official_lvis(*paths, "bbox")["AP"])


def test_boxes_outside_are_told_and_count_as_mistakes(files):
    def change(truth, found):
        for result in found[::4]:
            result["bbox"][0] += 500

    paths = files(change)
    with pytest.warns(UserWarning, match="lie outside of their image"):
        metrics = evaluate_files(*paths, "lvis").metrics
    assert metrics["bbox"]["AP"] == pytest.approx(official_lvis(*paths, "bbox")["AP"])


def test_corners_for_sizes_are_told(files):
    def change(truth, found):
        for result in found:
            x, y, width, height = result["bbox"]
            result["bbox"] = [x, y, x + width, y + height]

    with pytest.warns(UserWarning, match="would fit if they were x1 y1 x2 y2"):
        evaluate_files(*files(change), "lvis")


def test_fractions_for_pixels_are_told(files):
    def change(truth, found):
        for result in found:
            result["bbox"] = [side / 160 for side in result["bbox"]]

    with pytest.warns(UserWarning, match="larger than a pixel: write them in pixels"):
        evaluate_files(*files(change), "lvis")


def test_lvis_needs_what_lvis_has(files):
    def no_frequency(truth, found):
        for entry in truth["categories"]:
            entry.pop("frequency", None)

    def no_negatives(truth, found):
        for number, entry in enumerate(truth["categories"]):
            entry["frequency"] = "rcf"[number % 3]
        for image in truth["images"]:
            del image["neg_category_ids"]

    def no_parts(truth, found):
        del truth["images"][2]["not_exhaustive_category_ids"]

    refused(files(no_parts), "do not tell their neg_category_ids and not_exhaustive")
    refused(files(no_frequency), "no frequency r, c or f.*take the protocol 'coco'")
    refused(files(no_negatives), "do not tell their neg_category_ids")


@pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)")
def test_annotations_without_an_area_are_told(tmp_path):
    truth, found = make(8, 5, 12, federated=False, masks=False)
    for entry in truth["annotations"]:
        entry["area"] = entry["bbox"][2] * entry["bbox"][3]
    expected = evaluate_files(*save(tmp_path, truth, found), "coco").metrics
    for entry in truth["annotations"][::2]:
        del entry["area"]
    with pytest.warns(UserWarning, match="have no area, by which small, medium and"):
        metrics = evaluate_files(*save(tmp_path, truth, found), "coco").metrics
    assert metrics == expected


def test_two_annotations_of_one_id(files):
    paths = files(lambda truth, found: truth["annotations"][1].update(id=1))
    refused(paths, "Two annotations of .* have the id 1")


def test_a_protocol_that_is_none(files):
    with pytest.raises(InputError, match="no protocol 'VOC'"):
        evaluate_files(*files(), "VOC")


@pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)")
def test_images_need_no_file_and_results_may_be_pretty(tmp_path):
    truth, found = make(8, 5, 12, federated=False)
    for image in truth["images"]:
        del image["file_name"]
    paths = save(tmp_path, truth, found)
    expected = official_coco(*paths, "segm")["AP"]
    for pretty in ({"indent": 2}, {"separators": (",", ":")}):
        paths[1].write_text(json.dumps(found, **pretty))
        assert evaluate_files(*paths, "coco").metrics["segm"]["AP"] == pytest.approx(
            expected
        )


@pytest.mark.filterwarnings("ignore:.*(outside of their image|more than once)")
@pytest.mark.parametrize("size", [300, 4096])
def test_results_are_read_in_parts(tmp_path, monkeypatch, size):
    truth, found = make(10, 5, 20)
    for result in found[::7]:  # which looks like the end of a result
        result["attributes"] = [{"seen": 1}, {"seen": 2}]
    paths = save(tmp_path, truth, found)
    whole = evaluate_files(*paths, "lvis").metrics
    monkeypatch.setattr("vild.evaluation.results_json._PART", size)
    assert evaluate_files(*paths, "lvis").metrics == whole
