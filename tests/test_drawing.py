import numpy as np
import pytest

from vild.drawing import draw_detections

pytestmark = pytest.mark.numpy


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def changed(photo: np.ndarray, *arguments: object, **named: object) -> np.ndarray:
    picture = draw_detections(photo, *arguments, **named)  # type: ignore[arg-type]
    assert picture.mode == "RGB"
    return (np.asarray(picture) != photo).any(axis=-1)


def test_photo_is_left_alone() -> None:
    photo = grey(200, 300)
    masks = np.ones((1, 200, 300), bool)
    draw_detections(photo, np.array([[10, 60, 90, 150]]), ["cat"], masks)
    assert (photo == 128).all()


def test_box_and_label_are_where_they_belong() -> None:
    marks = changed(grey(200, 300), np.array([[40, 60, 190, 150]]), ["cat"])
    assert marks[60, 40:191].all()
    assert marks[150, 40:191].all()
    assert marks[60:151, 40].all()
    assert marks[60:151, 190].all()
    assert marks[50, 42]  # the tag, above the box
    assert not marks[70:140, 50:180].any()
    assert not marks[:30].any()
    assert not marks[:, 195:].any()


def test_mask_is_translucent_with_an_outline() -> None:
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[:, 150:] = 255
    mask = np.zeros((1, 200, 300), bool)
    mask[0, 80:160, 100:200] = True
    box = np.array([[0, 0, 0.4, 0.4]])  # a dot in the corner
    picture = np.asarray(draw_detections(photo, box, [""], mask))
    inside = picture[100, 120].astype(int), picture[100, 180].astype(int)
    assert (inside[1] - inside[0]).min() > 80  # the photo shines through
    assert (inside[0] != photo[100, 120]).any()
    assert (picture[80, 120] == picture[159, 180]).all()  # opaque edge
    np.testing.assert_array_equal(picture[161:], photo[161:])


def test_a_class_keeps_its_colour() -> None:
    def colour(position: int, ids: list[int]) -> tuple[int, ...]:
        boxes = np.array([[10, 10, 90, 190], [110, 10, 190, 190]])
        picture = draw_detections(
            grey(200, 300), boxes, ["", ""], class_ids=np.array(ids)
        )
        return picture.getpixel((boxes[position][0], 100))

    assert colour(0, [3, 4]) == colour(1, [4, 3])
    assert colour(0, [3, 4]) != colour(1, [3, 4])
    assert colour(0, [100_003, 4]) == colour(1, [7, 100_003])


def test_neighbouring_classes_have_clearly_different_colours() -> None:
    boxes = np.array([[x * 14, 50, x * 14 + 12, 90] for x in range(20)])
    picture = np.asarray(draw_detections(grey(200, 300), boxes, [""] * 20))
    colours = picture[70, boxes[:, 0]].astype(int)
    apart = np.abs(colours[:, None] - colours[None]).sum(-1) + 999 * np.eye(20)
    assert apart.min() >= 60
    assert np.abs(np.diff(colours, axis=0)).sum(-1).min() >= 100


@pytest.mark.parametrize(
    "box",
    [[-50, -50, 20, 20], [280, 180, 400, 400], [-5, 90, 900, 95], [299.8, 0, 300, 9]],
)
def test_boxes_past_the_edge_are_clipped(box: list[float]) -> None:
    assert changed(grey(200, 300), np.array([box]), ["person 0.98"]).any()


@pytest.mark.parametrize(
    "box",
    [[400, 10, 500, 90], [-90, -90, -5, -5], [np.nan, 0, 9, 9], [50, 50, 20, 20]],
)
def test_boxes_without_pixels_are_left_out(box: list[float]) -> None:
    assert not changed(grey(200, 300), np.array([box]), ["person 0.98"]).any()


@pytest.mark.parametrize("size", [(1, 1), (8, 200), (64, 64), (900, 70)])
def test_small_photos(size: tuple[int, int]) -> None:
    height, width = size
    boxes = np.array([[0, 0, width, height], [width / 3, height / 3, width, height]])
    masks = np.ones((2, height, width), bool)
    labels = ["a very long name of a thing 0.50", "cat"]
    picture = draw_detections(grey(*size), boxes, labels, masks)
    assert picture.size == (width, height)


@pytest.mark.parametrize(
    "label", ["café", "猫 0.9", "🐈", "ящик", "two\nlines\t", "\x00\ud800", "عربى", " "]
)
def test_any_text_can_be_written(label: str) -> None:
    marks = changed(grey(200, 300), np.array([[40, 60, 190, 150]]), [label])
    assert marks[50, 42]


def test_labels_do_not_cover_each_other() -> None:
    photo = grey(480, 640)
    boxes = np.array([[100, 100, 400, 400]] * 3 + [[103, 103, 402, 398]])

    def tag_pixels(labels: list[str]) -> list[int]:
        """Count, for each detection, the pixels that its filled tag adds."""
        bare = np.asarray(draw_detections(photo, boxes, [""] * 4))
        full = np.asarray(draw_detections(photo, boxes, labels))
        added = full[(bare != full).any(axis=-1)]
        palette = draw_detections(
            photo, np.array([[x * 20, 0, x * 20 + 9, 400] for x in range(4)]), [""] * 4
        )
        colours = [palette.getpixel((x * 20, 200)) for x in range(4)]
        return [int((added == colour).all(axis=-1).sum()) for colour in colours]

    together = tag_pixels(["cat", "cat", "cat", "cat"])
    alone = tag_pixels(["cat", "", "", ""])[0]
    assert min(together) > 0.7 * alone > 200


def test_lines_and_text_grow_with_the_photo() -> None:
    def marks(scale: int) -> float:
        photo = grey(200 * scale, 300 * scale)
        box = np.array([[40, 60, 190, 150]]) * scale
        return float(changed(photo, box, ["cat"]).mean())

    assert marks(10) == pytest.approx(marks(4), rel=0.25)
