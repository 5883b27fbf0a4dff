"""Published collections, turned into records without TensorFlow."""
