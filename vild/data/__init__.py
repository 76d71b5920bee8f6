"""Pictures, masks and datasets in numpy: usable without Keras or a framework."""
