"""A data set in: TFDS through Beam into checked examples."""
