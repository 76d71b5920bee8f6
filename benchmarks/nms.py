"""Scores and final suppression beside a loop of suppressions over classes.

    KERAS_BACKEND=jax python benchmarks/nms.py

1000 regions, 1203 classes, 300 detections; the results must be equal.
"""

import numpy as np
from common import CLASSES, best, heading

REGIONS, LIMIT, IOU = 1000, 300, 0.5


def loop_tensorflow(boxes, scores):
    """TensorFlow's own suppression, class after class, in one graph."""
    import tensorflow as tf

    @tf.function
    def run(boxes, scores):
        found = []
        for k in range(CLASSES):
            kept = tf.image.non_max_suppression(boxes, scores[:, k], LIMIT, IOU, 0.0)
            padding = [[0, LIMIT - tf.size(kept)]]
            values = tf.pad(tf.gather(scores[:, k], kept), padding)
            found.append(tf.stack([values, tf.cast(tf.pad(kept, padding), "float32")]))
        found = tf.stack(found)
        best, index = tf.math.top_k(tf.reshape(found[:, 0], [-1]), LIMIT)
        region = tf.gather(tf.reshape(found[:, 1], [-1]), index)
        return best, tf.cast(region, "int32"), index // LIMIT

    boxes, scores = tf.constant(boxes), tf.constant(scores)
    return lambda: [value.numpy() for value in run(boxes, scores)]


def loop_jax(boxes, scores):
    """Greedy suppression (JAX has none of its own), one class after another."""
    import jax
    import jax.numpy as jnp

    def one(boxes, scores):
        values, order = jax.lax.top_k(scores, REGIONS)
        sorted_boxes = boxes[order]
        area = jnp.prod(sorted_boxes[:, 2:] - sorted_boxes[:, :2], -1)

        def body(i, alive):
            low = jnp.maximum(sorted_boxes[i, :2], sorted_boxes[:, :2])
            high = jnp.minimum(sorted_boxes[i, 2:], sorted_boxes[:, 2:])
            inside = jnp.prod(jnp.maximum(high - low, 0), -1)
            over = inside / jnp.maximum(area[i] + area - inside, 1e-9) >= IOU
            return alive & ~(alive[i] & over & (jnp.arange(REGIONS) > i))

        alive = jax.lax.fori_loop(0, REGIONS, body, values > 0)
        values, index = jax.lax.top_k(jnp.where(alive, values, 0), LIMIT)
        return values, order[index]

    @jax.jit
    def run(boxes, scores):
        values, regions = jax.lax.map(lambda s: one(boxes, s), scores.T)
        best, index = jax.lax.top_k(values.reshape(-1), LIMIT)
        return best, regions.reshape(-1)[index], index // LIMIT

    boxes, scores = jnp.asarray(boxes), jnp.asarray(scores)
    return lambda: [np.asarray(value) for value in run(boxes, scores)]


def loop_torch(boxes, scores):
    """The suppression of torchvision if it is there, else one in plain PyTorch."""
    import torch

    try:
        from torchvision.ops import nms

        corners = torch.tensor(boxes)

        def suppress(scores):
            return nms(corners, scores, IOU)[:LIMIT]

    except (ImportError, RuntimeError):
        print("(no torchvision here: the loop runs greedy suppression in PyTorch)")
        area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
        inside = (
            (
                np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
                - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
            )
            .clip(0)
            .prod(-1)
        )
        # Shared by all classes, so the loop need not compute it again, which
        # torchvision does. Like it, the loop has no limit to stop at.
        over = inside / (area[:, None] + area - inside) >= IOU

        def suppress(scores):
            order = scores.argsort(descending=True, stable=True).numpy()
            alive, kept = np.ones(len(order), bool), []
            for i in order:
                if alive[i]:
                    kept.append(i)
                    alive &= ~over[i]
            return torch.tensor(np.array(kept[:LIMIT]))

    scores = torch.tensor(scores)

    def run():
        values, regions, classes = [], [], []
        for k in range(CLASSES):
            column = scores[:, k]
            kept = suppress(column)
            kept = kept[column[kept] > 0]
            values.append(column[kept])
            regions.append(kept)
            classes.append(torch.full_like(kept, k))
        values = torch.cat(values)
        best, index = values.sort(descending=True, stable=True)
        index = index[:LIMIT]
        found = best[:LIMIT], torch.cat(regions)[index], torch.cat(classes)[index]
        return [value.numpy() for value in found]

    return run


def main() -> None:
    from common import photo

    import vild
    from vild.backends import keras
    from vild.regions import Regions

    heading("scores + final suppression")
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 520, (REGIONS // 8, 2))
    size = rng.uniform(20, 120, (REGIONS // 8, 2))
    centres = np.concatenate([corner, corner + size], 1)
    boxes = (centres[:, None] + rng.normal(0, 4, (1, 8, 4))).reshape(-1, 4)
    boxes = boxes.clip(0, 639).astype("float32")

    def unit(shape):
        rows = rng.standard_normal(shape, dtype="float32")
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    text, image = unit((REGIONS, 512)), unit((REGIONS, 512))
    words = vild.Vocabulary(
        [f"class {i}" for i in range(CLASSES)], unit((CLASSES, 512)), base=True
    )
    regions = Regions(
        boxes=boxes[:, [1, 0, 3, 2]],
        objectness=np.ones(REGIONS, "float32"),
        text_embeddings=text,
        image_embeddings=image,
        model_boxes=boxes,
        background=unit(512),
        image_size=photo().shape[:2],
    )
    # Encoding a photo comes first in life. It leaves the C library with memory at
    # hand, where a fresh process would fault in new pages at every call.
    np.ones(30 << 18, "float32").sum()
    loop = {"tensorflow": loop_tensorflow, "jax": loop_jax, "torch": loop_torch}
    run = loop[keras.backend.backend()](boxes, regions.scores(words))
    values, region, classes = run()
    ours = regions.detect(words)
    equal = (ours.class_ids == classes) & (ours.boxes == regions.boxes[region]).all(1)
    print(f"equal detections {equal.mean():.1%} (the rest are ties within rounding)")
    print(f"largest difference of scores {np.abs(ours.scores - values).max():.1e}")
    scoring = best(lambda: regions.scores(words))
    slow, fast = best(run, 3), best(lambda: regions.detect(words), 10)
    print(f"loop over classes {1e3 * slow:9.1f} ms, without its scores")
    print(f"all scores        {1e3 * scoring:9.1f} ms")
    print(f"regions.detect    {1e3 * fast:9.1f} ms, scores included")
    print(f"ratio             {(slow + scoring) / fast:9.1f}x, scores in both")


if __name__ == "__main__":
    main()
