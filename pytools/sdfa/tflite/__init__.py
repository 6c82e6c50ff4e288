"""TensorFlow Lite files: read to a Graph, written, and given learned weights. Without TensorFlow."""
