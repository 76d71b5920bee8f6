"""`vild evaluate`: a model and a dataset, or two files, in; metrics out."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vild.cli import options
from vild.errors import InputError

if TYPE_CHECKING:
    from vild.data.dataset import Dataset
    from vild.evaluation.evaluation import Evaluation

_STDOUT = "-"
_PROTOCOLS = ("lvis", "coco", "coco-ovd", "voc", "objects365", "proposals")


def add_command(commands: Any) -> None:
    """Adds `vild evaluate`.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on a dataset, or results from a file",
        description="Measures a model on a dataset, or results that are in a file, by "
        "the rules of LVIS, COCO, PASCAL VOC or Objects365. As these rules want it, a "
        "model reports all it finds: no score threshold, unless one is given.",
        usage="vild evaluate MODEL DATASET [options]\n       "
        "vild evaluate --ground-truth FILE --results FILE [options]",
        epilog="A dataset is KIND:PATH, e.g. lvis:lvis/lvis_v1_val.json, coco:FOLDER, "
        "voc:VOCdevkit/VOC2007/test or drawn:val. With --out, the same command goes on "
        "where one was cut off.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="preset or folder")
    parser.add_argument("dataset", nargs="?", metavar="DATASET", help="KIND:PATH")
    parser.add_argument(
        "--ground-truth", metavar="FILE", help="a json of annotations, or KIND:PATH"
    )
    parser.add_argument(
        "--results", metavar="FILE", help="a json of results in COCO's form"
    )
    parser.add_argument(
        "--protocol",
        choices=_PROTOCOLS,
        default="lvis",
        help="the rules (default: lvis)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="keep predictions, metrics and a table of categories there",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the metrics to FILE; - for stdout"
    )
    _add_views(parser)
    _add_model_options(parser)
    options.add_settings(parser)


def _add_views(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report",
        nargs="?",
        const="",
        metavar="FILE",
        help="write a report, one HTML file that needs no network (default: "
        "report.html, in DIR if there is one)",
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="the images of --ground-truth, for the photos of the report",
    )
    parser.add_argument(
        "--bootstrap",
        type=options.count,
        metavar="N",
        help="tell intervals of confidence over images, from N samples, e.g. 1000",
    )
    parser.add_argument(
        "--baseline",
        metavar="FILE",
        help="a json of results of another run on the same images, to compare with",
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of a model")
    group.add_argument(
        "--checkpoint", metavar="C", help="a released checkpoint for the preset"
    )
    group.add_argument(
        "--teacher",
        metavar="T",
        help="the teacher that encodes names the model has no vectors for",
    )
    group.add_argument(
        "--vocabulary",
        metavar="WORDS.npz",
        help="a saved vocabulary with a row for each category in the dataset's order",
    )
    group.add_argument("--batch-size", type=options.count, default=8, metavar="N")
    group.add_argument(
        "--limit", type=options.count, metavar="N", help="only the first N images"
    )
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that pack masks; 0 for none (default: one for each processor "
        "but one)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `vild evaluate`.

    Args:
        arguments: of the command's parser.

    Returns:
        0.

    Raises:
        VildError: if something cannot be read, or does not belong together.
    """
    from_files = arguments.ground_truth or arguments.results
    if from_files and (arguments.model or arguments.dataset):
        raise InputError(
            "Give MODEL and DATASET, or --ground-truth and --results, not both."
        )
    if from_files and not (arguments.ground_truth and arguments.results):
        raise InputError("Evaluating files takes both --ground-truth and --results.")
    if not from_files and not (arguments.model and arguments.dataset):
        raise InputError(
            "Give MODEL and DATASET, e.g. vild evaluate r50 lvis:lvis_v1_val.json, or "
            "--ground-truth and --results."
        )
    if from_files:
        _check_no_model_options(arguments)
    found, dataset, said = _files(arguments) if from_files else _model(arguments)
    _tell(arguments, found, dataset, said)
    return 0


def _check_no_model_options(arguments: argparse.Namespace) -> None:
    given = {**options.given_settings(arguments)}
    given.pop("masks", None)
    names = ("checkpoint", "teacher", "vocabulary", "limit", "workers")
    given |= {name: 1 for name in names if getattr(arguments, name) is not None}
    if given:
        flag = min(given).replace("_", "-")
        raise InputError(f"--{flag} is about a model: leave it out for results.")


def _files(arguments: argparse.Namespace) -> "tuple[Evaluation, Dataset | None, str]":
    from vild.evaluation.from_files import evaluate_files, open_truth

    masks = getattr(arguments, "masks", None)
    truth, dataset = open_truth(arguments.ground_truth, arguments.images)
    found = evaluate_files(truth, arguments.results, arguments.protocol, masks=masks)
    if arguments.out is not None:
        found.save(arguments.out)
    return found, dataset, f"{len(found.predictions)} results for {truth.name}"


def _model(arguments: argparse.Namespace) -> "tuple[Evaluation, Dataset | None, str]":
    from vild.data.finding import get

    # Loading a model takes seconds to minutes: first all that can be known without.
    settings = options.given_settings(arguments)
    dataset = get(arguments.dataset)
    vocabulary: Any = None
    if arguments.vocabulary is not None:
        from vild.vocabulary import Vocabulary

        vocabulary = Vocabulary.load(arguments.vocabulary)
    from vild.evaluation.evaluating import evaluate_detector
    from vild.pretrained import load_pretrained

    dtype = {"dtype": settings.pop("dtype")} if "dtype" in settings else {}
    detector = load_pretrained(
        arguments.model, arguments.checkpoint, teacher=arguments.teacher, **dtype
    )
    workers = arguments.workers
    found, said = evaluate_detector(
        detector,
        dataset,
        arguments.protocol,
        out=arguments.out,
        vocabulary=vocabulary,
        batch_size=arguments.batch_size,
        limit=arguments.limit,
        workers=options.processors() - 1 if workers is None else max(workers, 0),
        **settings,
    )
    return found, dataset, said


def _tell(
    arguments: argparse.Namespace,
    found: "Evaluation",
    dataset: "Dataset | None",
    said: str,
) -> None:
    from vild.evaluation.tables import write_json

    if arguments.json == _STDOUT:
        print(json.dumps(found.metrics, indent=2))
    elif arguments.json is not None:
        write_json(Path(arguments.json), found.metrics)
    text = sys.stderr if arguments.json == _STDOUT else sys.stdout
    print(f"{found.table()}\n{said}", file=text)
    between: dict[str, Any] = {}
    if arguments.bootstrap is not None:
        between = _bootstrap(found, arguments.bootstrap)
        for kind, told in between.items():
            print(f"{kind}: metric (95% over images)", file=text)
            for name, value in told.items():
                print(f"  {name:<12} {value}", file=text)
    compared = {}
    if arguments.baseline is not None:
        compared = _compare(arguments, found)
        for comparison in compared.values():
            print(comparison.table(), file=text)
    if arguments.report is not None:
        from vild.evaluation.report import write_report

        path = Path(arguments.report or (arguments.out or Path()) / "report.html")
        write_report(
            found,
            path,
            dataset=dataset,
            model=Path(arguments.model or arguments.results).name,
            intervals=between,
            comparisons=compared,
        )
        print(f"the report is {path}", file=text)


def _bootstrap(found: "Evaluation", samples: int) -> dict[str, Any]:
    from vild.evaluation.bootstrap import intervals

    return {
        kind: intervals(scored, found.protocol, samples)
        for kind, scored in found.scored.items()
    }


def _compare(arguments: argparse.Namespace, found: "Evaluation") -> "dict[str, Any]":
    from vild.evaluation.comparing import compare
    from vild.evaluation.from_files import evaluate_files

    masks = None if "segm" in found.scored else False
    baseline = evaluate_files(
        found.truth, arguments.baseline, found.protocol, masks=masks
    )
    return compare(baseline, found, samples=arguments.bootstrap or 1000)
