"""Teacher embeddings of the crops of a dataset: made once, offline, by many."""

from vild.embedding.task import embed
from vild.embedding.encoding import Job, encode_boxes

__all__ = ["Job", "embed", "encode_boxes"]
