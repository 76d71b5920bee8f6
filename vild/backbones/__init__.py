"""From pixels to a feature pyramid."""
