"""`vild store`: what is in a store, whether it is sound, and parts made one."""

import argparse
import json
from typing import Any

from vild.cli import console


def add_command(commands: Any) -> None:
    """Adds `vild store` with its three commands.

    Args:
        commands: of the parser of `vild`.
    """
    parser = commands.add_parser(
        "store",
        help="look into stores of proposals and embeddings",
        description="Looks into stores of proposals and embeddings.",
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)
    about = "Says what a store is of, and how far it has got."
    info = verbs.add_parser("info", help="say what it is of", description=about)
    info.add_argument("store", metavar="STORE", help="its folder")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=_info)
    about = "Reads every byte of a store. Exit code: 0; 1 if something is wrong."
    verify = verbs.add_parser("verify", help="read every byte", description=about)
    verify.add_argument("store", metavar="STORE", help="its folder")
    verify.set_defaults(run=_verify)
    about = "Puts parts of one store, made with `vild embed --part`, together."
    merge = verbs.add_parser("merge", help="put parts together", description=about)
    merge.add_argument("parts", nargs="+", metavar="STORE", help="folders of parts")
    merge.add_argument(
        "--out",
        required=True,
        metavar="STORE",
        help="folder of the new store, or of one of the parts",
    )
    merge.set_defaults(run=_merge)


def _info(arguments: argparse.Namespace) -> int:
    from vild.data.stores.verifying import store_info

    facts = store_info(arguments.store)
    if arguments.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return 0
    header = facts.pop("header")
    lines = {"kind": header["kind"]}
    lines |= {f"dataset {key}": value for key, value in header["dataset"].items()}
    told = ("kind", "dataset", "format", "version")
    for key, value in header.items():
        if key not in told:
            flat = isinstance(value, dict)
            lines[key] = (
                ", ".join(f"{k} {v}" for k, v in value.items()) if flat else value
            )
    lines |= facts
    wide = max(map(len, lines))
    for key, value in lines.items():
        print(f"{key.replace('_', ' '):<{wide}}  {value}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from vild.data.stores.verifying import verify_store

    found = verify_store(arguments.store)
    for problem in found.problems:
        console.error(problem)
    for image_id, reason in found.failures.items():
        print(f"image {image_id} failed: {reason}")
    verdict = f"{len(found.problems)} problems" if found.problems else "all is well"
    print(
        f"{found.images} images ({len(found.failures)} failed), {found.boxes} boxes: "
        f"{verdict}"
    )
    return 1 if found.problems else 0


def _merge(arguments: argparse.Namespace) -> int:
    from vild.data.stores.merging import merge_stores

    store = merge_stores(arguments.parts, arguments.out)
    print(
        f"{len(store)} of {store.header['dataset']['images']} images are in "
        f"{arguments.out}"
    )
    if store.missing_shards:
        console.warning(
            f"{len(store.missing_shards)} of {store.header['shards']} shards are in "
            f"none of the parts, the first of them {store.missing_shards[0]}"
        )
    return 0
