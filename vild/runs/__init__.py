"""Trainings: from a recipe and a dataset to a detector directory."""
