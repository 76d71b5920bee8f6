"""Released checkpoints: how to fetch them and read them without TensorFlow."""
