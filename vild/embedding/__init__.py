"""Teacher embeddings of the crops of a dataset: made once, offline, by many."""

from vild.embedding.encoding import Job, encode_boxes
from vild.embedding.task import embed

__all__ = ["Job", "embed", "encode_boxes"]
