"""Teacher embeddings of the crops of a dataset: made once, offline, by many."""

from vild.embedding.checks import check_teacher
from vild.embedding.encoding import Job, encode_boxes
from vild.embedding.task import embed

__all__ = ["Job", "check_teacher", "embed", "encode_boxes"]
