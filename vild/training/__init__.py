"""Training: targets, samplers, losses, schedules and recipes."""
