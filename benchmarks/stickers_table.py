"""The table and the chart of the study on stickers, from what was measured.

    python benchmarks/stickers_table.py --splits test-seen test-unseen

Reads what `stickers_study.py --measure` kept of these splits; rows that were not
measured are left out. `--chart FILE` draws the first split.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from common import with_ends
from stickers_study import SHOWN, per_cent, plain

from vild.evaluation.bootstrap import Interval
from vild.evaluation.report.charts import bars
from vild.files import replacing

ROWS = {
    "supervised": "supervised, base classes",
    "supervised+novel": "supervised, base and novel",
    "crops": "teacher on crops",
    "text": "ViLD-text",
    "text+crops": "ViLD-text + crops",
    "vild": "ViLD",
    "ensemble": "ViLD-ensemble",
}
KINDS = {"segm": "mask", "bbox": "box"}
COLOURS = {"base": "#9bb0c9", "novel": "#d9822b"}
STYLE = (
    "<style>svg{font:11px sans-serif;fill:#444;background:#fff}"
    f"svg{{{''.join(f'--{name}:{colour};' for name, colour in COLOURS.items())}}}"
    ".axis{stroke:#ddd}.soft{fill:#888}.whisker{stroke:#333;stroke-width:1.5}</style>"
)


def kept(out: Path, split: str) -> dict[str, dict[str, Any]]:
    """What was measured of each row on a split."""
    files = {row: out / "measured" / f"{row}-{plain(split)}.json" for row in ROWS}
    return {row: json.loads(f.read_text()) for row, f in files.items() if f.exists()}


def interval(made: dict[str, Any], kind: str, name: str) -> Interval | None:
    """A metric with its interval; None where no object of its classes is."""
    ends = made[f"{kind}_intervals"].get(name)
    return None if ends is None else Interval(made[kind][name], *ends)


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of Markdown: masks, boxes, and the ratio of novel to base boxes."""
    shown = [f"{KINDS[kind]} {name.replace('_', ' ')}" for kind, name in SHOWN]
    titles = ["row", *shown, "novel / base"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row, made in found.items():
        cells = []
        for kind, name in SHOWN:
            ends = interval(made, kind, name) if name.startswith("AP50") else None
            cells.append(with_ends(ends) if ends else per_cent(made[kind][name]))
        base, novel = made["bbox"]["AP_base"], made["bbox"]["AP_novel"]
        cells.append(f"{novel / base:.2f}" if base > 0 and novel >= 0 else "-")
        lines.append(f"| {ROWS[row]} | {' | '.join(cells)} |")
    return lines


def chart(found: dict[str, dict[str, Any]], split: str) -> str:
    """Bars of AP50, a file of its own."""
    series = {
        part: [interval(made, "bbox", f"AP50_{part}") for made in found.values()]
        for part in COLOURS
    }
    drawn = bars(list(found), series, f"Box AP50 of base and novel classes on {split}")
    start, _, rest = drawn.partition(">")
    legend = "".join(
        f'<rect x="{44 + 64 * n}" y="2" width="10" height="10" fill="{colour}"/>'
        f'<text x="{58 + 64 * n}" y="11">{name}</text>'
        for n, (name, colour) in enumerate(COLOURS.items())
    )
    rest = rest.removesuffix("</svg>")
    return f'{start} xmlns="http://www.w3.org/2000/svg">{STYLE}{rest}{legend}</svg>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/stickers"))
    parser.add_argument("--splits", nargs="+", default=["test-seen", "test-unseen"])
    parser.add_argument("--chart", type=Path, help="SVG of the first split to write")
    options = parser.parse_args()
    for split in options.splits:
        found = kept(options.out, split)
        print(f"\n{split}\n")
        print("\n".join(table(found)))
        if options.chart and found and split == options.splits[0]:
            with replacing(options.chart) as new:
                new.write_text(chart(found, split))


if __name__ == "__main__":
    main()
