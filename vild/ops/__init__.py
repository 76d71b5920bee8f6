"""Pure functions of the detector: boxes, anchors, RoI crop, suppression, scores."""
