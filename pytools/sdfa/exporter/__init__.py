"""A model file to an image: the stages in their order, model.toml, and what an export says about itself."""
