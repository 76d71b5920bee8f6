"""The official packages, called as their users call them."""

import contextlib
import io
import logging

import numpy as np
import pytest
from pycocotools import mask


def official_lvis(truth, results, kind):
    """Metrics of the lvis package from two files."""
    lvis = pytest.importorskip("lvis")
    logging.disable(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        # lvis 0.5.3 uses np.float, which NumPy has dropped: it is given back meanwhile.
        patch.setattr(np, "float", float, raising=False)
        # pycocotools 2.0.11 keeps areas in a byte, which NumPy 2 refuses.
        patch.setattr(mask, "area", lambda rle: int(mask.decode(rle).sum()))
        judge = lvis.LVISEval(str(truth), str(results), kind)
        judge.run()
    logging.disable(logging.NOTSET)
    return judge.get_results()


COCO_NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR@1", "AR@10", "AR@100"]
COCO_NAMES += ["ARs@100", "ARm@100", "ARl@100"]


def official_coco(truth, results, kind, **changes):
    """Metrics of pycocotools from two files; changes are of its parameters."""
    judge = run_coco(truth, results, kind, **changes)
    return dict(zip(COCO_NAMES, judge.stats.tolist(), strict=True))


def run_coco(truth, results, kind, *, summarize=True, **changes):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        real = COCO(str(truth))
        judge = COCOeval(real, real.loadRes(str(results)), kind)
        for name, value in changes.items():
            setattr(judge.params, name, value)
        judge.evaluate()
        judge.accumulate()
        if summarize:
            judge.summarize()
    return judge
