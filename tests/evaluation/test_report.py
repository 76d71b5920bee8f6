"""The report: one file, opened in a real browser."""

import json
import os
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from bright_dataset import BrightThings
from handmade import bright_detector
from PIL import Image
from synthetic import HEIGHT, WIDTH, make, save

from vild.data.coco import Coco
from vild.evaluation import compare, evaluate_detector, evaluate_files, intervals
from vild.evaluation.report import write_report

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(outside of their image|more than once)"
)

# Asks the page itself whether its pictures are there and nothing came from elsewhere.
ASK = """<script>addEventListener("load", () => {
const images = [...document.images];
document.title = JSON.stringify({
  images: images.length,
  decoded: images.filter(i => i.naturalWidth > 0).length,
  charts: document.querySelectorAll("svg").length,
  fetched: performance.getEntriesByType("resource").filter(
    e => !e.name.startsWith("data:")).length,
  wide: document.documentElement.scrollWidth - innerWidth,
  headings: [...document.querySelectorAll("h2")].map(h => h.textContent),
})})</script>"""


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = [os.environ.get("VILD_BROWSER"), *map(shutil.which, names)]
    if not any(found):
        pytest.skip("no Chromium is installed; VILD_BROWSER names one elsewhere")
    return next(filter(None, found))


def open_page(browser, path, folder):
    """What the page says of itself, and a picture of it."""
    asking = folder / "asking.html"
    asking.write_text(path.read_text("utf-8").replace("</body>", f"{ASK}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/u"]
    options += ["--window-size=1000,2000", "--virtual-time-budget=5000"]
    run = [browser, *options, "--dump-dom", asking.as_uri()]
    page = subprocess.run(run, capture_output=True, text=True, timeout=120).stdout
    title = re.search("<title>(.*?)</title>", page, re.DOTALL)
    assert title, page[:500]
    shot = folder / "shot.png"
    run = [browser, *options, f"--screenshot={shot}", path.as_uri()]
    subprocess.run(run, capture_output=True, timeout=120, check=True)
    return json.loads(unescape(title[1])), np.asarray(Image.open(shot).convert("RGB"))


@pytest.fixture
def judged(tmp_path):
    truth, found = make(9, 6, 20, federated=False)
    truth["categories"][0]["name"] = "<script>alert(1)</script> & co"
    paths = save(tmp_path, truth, found)
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for image in truth["images"]:
        pixels = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / image["file_name"])
    return evaluate_files(*paths, "coco"), Coco(paths[0], tmp_path / "images")


def test_a_report_opens_in_a_browser(browser, judged, tmp_path):
    evaluation, dataset = judged
    between = {
        kind: intervals(scored, evaluation.protocol, samples=50)
        for kind, scored in evaluation.scored.items()
    }
    path = write_report(
        evaluation,
        tmp_path / "report.html",
        dataset=dataset,
        model="mine",
        intervals=between,
        comparisons=compare(evaluation, evaluation, samples=10),
        photos=4,
    )
    said, shot = open_page(browser, path, tmp_path)
    assert said["images"] == said["decoded"] == 8
    assert said["charts"] == 3
    assert said["fetched"] == 0
    assert said["wide"] <= 0
    assert "Photos, from the best to the worst" in said["headings"]
    # The bars of boxes are blue, those of masks orange.
    for colour in ((37, 99, 201), (217, 115, 13)):
        assert (shot == colour).all(axis=2).sum() > 500


def test_a_report_needs_nothing_from_elsewhere(judged, tmp_path):
    evaluation, dataset = judged
    text = write_report(evaluation, tmp_path / "a.html", dataset=dataset).read_text()
    assert not re.search('(src|href)=(?!"data:)', text)
    assert "@import" not in text
    assert "url(" not in text
    assert "<script" not in text  # a category's name is text, whatever is in it
    ap = f"{100 * evaluation.metrics['segm']['AP']:.1f}"
    assert f"<b>{ap}</b>" in text


def test_other_protocols_have_reports_too(tmp_path):
    made = make(6, 6, 20, masks=False)
    for protocol in ("lvis", "voc", "proposals"):
        evaluation = evaluate_files(*save(tmp_path, *made), protocol)
        text = write_report(evaluation, tmp_path / "a.html").read_text()
        assert evaluation.protocol.about in text
        assert ("by frequency" in text) == (protocol == "lvis")


@pytest.mark.once
def test_from_a_detector_to_a_report(tmp_path):
    dataset = BrightThings(3)
    detector = bright_detector(image_size=160, num_proposals=1)
    evaluation, _ = evaluate_detector(detector, dataset, "coco")
    text = write_report(evaluation, tmp_path / "a.html", dataset=dataset).read_text()
    assert text.count("1 of 1 found, 0 mistaken") == 3
