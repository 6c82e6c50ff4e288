"""What learns on the device: the trainable tail of a QGraph, spare outputs, and the feedback tables."""
