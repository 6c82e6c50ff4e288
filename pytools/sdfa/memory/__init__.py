"""The arena: where each tensor lives and when, planned at export, and read back from an image as a map."""
