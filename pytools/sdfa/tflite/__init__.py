"""TensorFlow Lite files: read to a Graph, and written. Without TensorFlow."""
