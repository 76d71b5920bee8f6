"""The table and the chart of the study on stickers, from what was measured.

    python benchmarks/stickers_table.py --out runs/stickers --chart study.svg

Reads what `stickers_study.py --measure` kept; rows that were not measured are left out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from stickers_study import CROPS, TRAINED

from vild.evaluation.bootstrap import Interval
from vild.evaluation.report.charts import bars
from vild.files import replacing

SPLITS = ("test-seen", "test-unseen")
ROWS = {
    "supervised": "supervised, base classes",
    "crops": "teacher on crops",
    "text": "ViLD-text",
    "text+crops": "ViLD-text + teacher on crops",
    "vild": "ViLD",
    "ensemble": "ViLD-ensemble",
}
MASKS = ("APr", "APc", "APf", "AP")
BOXES = ("AP50_base", "AP50_novel", "AP_base", "AP_novel")
STYLE = (
    "<style>svg{font:11px sans-serif;fill:#444;background:#fff}"
    "svg{--base:#9bb0c9;--novel:#d9822b}.axis{stroke:#ddd}.soft{fill:#888}"
    ".whisker{stroke:#333;stroke-width:1.5}</style>"
)


def kept(out: Path, split: str) -> dict[str, dict[str, Any]]:
    """What was measured of each row on a split."""
    found = {}
    for row in ROWS:
        for path in sorted((out / "measured").glob(f"{row}-{split}*.json")):
            found[row] = json.loads(path.read_text())
    return found


def interval(made: dict[str, Any], kind: str, name: str) -> Interval | float:
    """A metric with its interval; where all resamples agree there is none."""
    value, ends = made[kind][name], made[f"{kind}_intervals"].get(name)
    return value if ends is None else Interval(value, *ends)


def cell(made: dict[str, Any], kind: str, name: str, ends: bool) -> str:
    """In per cent."""
    value = interval(made, kind, name)
    if isinstance(value, float | int):
        return f"{100 * value:.1f}"
    if not ends:
        return f"{100 * value.value:.1f}"
    return f"{100 * value.value:.1f} ({100 * value.low:.1f} to {100 * value.high:.1f})"


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of Markdown: masks, boxes, and the ratio of novel to base boxes."""
    titles = ["row", *(f"mask {name}" for name in MASKS)]
    titles += ["AP50 base", "AP50 novel", "box AP base", "box AP novel", "novel / base"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row, made in found.items():
        cells = [cell(made, "segm", name, ends=False) for name in MASKS]
        cells += [cell(made, "bbox", name, name.startswith("AP50")) for name in BOXES]
        base, novel = made["bbox"]["AP_base"], made["bbox"]["AP_novel"]
        cells.append(f"{novel / base:.2f}" if base > 0 else "")
        lines.append(f"| {ROWS[row]} | {' | '.join(cells)} |")
    return lines


def chart(found: dict[str, dict[str, Any]], split: str) -> str:
    """Bars of AP50, a file of its own."""
    series = {
        part: [interval(made, "bbox", f"AP50_{part}") for made in found.values()]
        for part in ("base", "novel")
    }
    drawn = bars(list(found), series, f"Box AP50 of base and novel classes on {split}")
    start, _, rest = drawn.partition(">")
    return f'{start} xmlns="http://www.w3.org/2000/svg">{STYLE}{rest}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/stickers"))
    parser.add_argument("--chart", type=Path, help="SVG of the first split to write")
    options = parser.parse_args()
    assert set(ROWS) == {*TRAINED, *CROPS} - {"rpn"}
    for split in SPLITS:
        found = kept(options.out, split)
        if not found:
            continue
        print(f"\n{split}\n")
        print("\n".join(table(found)))
        if options.chart and split == SPLITS[0]:
            with replacing(options.chart) as new:
                new.write_text(chart(found, split))


if __name__ == "__main__":
    main()
