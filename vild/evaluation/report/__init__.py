"""A report as one HTML file that needs no network: numbers, curves, classes, photos."""

from vild.evaluation.report.page import write_report

__all__ = ["write_report"]
