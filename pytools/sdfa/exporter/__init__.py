"""A model file to an image, and learned weights back: the stages in their order, model.toml, what an export reports."""
