"""Boxes of a dataset and what a teacher makes of their crops: the steps before."""

from collections.abc import Callable
from typing import Any

from vild.data.stores import EmbeddingStore, ProposalStore
from vild.distillation.road import Road
from vild.embedding import embed
from vild.embedding.task import Engine
from vild.errors import DataError
from vild.proposals import make_proposals
from vild.runs.checks import embeddings_facts
from vild.runs.run import train

Say = Callable[[str], None]


def make_regions(
    road: Road, training: dict[str, Any], engine: Engine, workers: int, say: Say
) -> EmbeddingStore:
    """Makes what is missing of a dataset's boxes and embeddings.

    Args:
        road: says where they lie, and where boxes come from.
        training: options of `vild.runs.run.train`, for a first stage.
        engine: that embeds, see `vild.embedding.embed`.
        workers: its processes.
        say: is told each step.

    Returns:
        The embeddings.

    Raises:
        VildError: if something cannot be made; what was done is there.
    """
    boxes = road.whole_proposals() or _propose(road, training, say)
    check_any(boxes)
    say(f"Embedding the crops of {int(boxes.counts.sum())} boxes.")
    return embed(
        road.dataset,
        boxes,
        road.teacher,
        road.embeddings,
        engine=engine,
        workers=workers,
        ground_truth=road.ground_truth,
    )


def _propose(road: Road, training: dict[str, Any], say: Say) -> ProposalStore:
    """Boxes, from a first stage that is trained for them if need be."""
    source = road.source
    if road.stage is not None:
        say("Training the first stage.")
        train(road.stage, road.dataset, road.rpn, **training)
        source = road.rpn / "detector"
    assert source is not None
    say(f"Looking for boxes in {len(road.dataset)} images.")
    return make_proposals(source, road.dataset, road.proposals, count=road.count)


def check_any(store: ProposalStore | EmbeddingStore) -> None:
    """Refuses a store without any box.

    Args:
        store: of boxes or embeddings.

    Raises:
        DataError: if no image has a box.
    """
    if not store.counts.sum():
        raise DataError(
            f"The store {str(store.path)!r} has no box in any image, so there is "
            "nothing to distil: train the first stage for longer, or bring boxes of "
            "another detector."
        )


def about_store(store: EmbeddingStore) -> dict[str, Any]:
    """What a detector says of the embeddings that it learned from.

    Args:
        store: any.

    Returns:
        JSON values.
    """
    return {
        **embeddings_facts(store),
        "ground truth": store.header.get("ground_truth"),
        "dtype": store.header["dtype"],
    }


def silent(*words: Any) -> None:
    """Says nothing.

    Args:
        *words: what is not said.
    """
    del words
