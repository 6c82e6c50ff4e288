"""The ways in: what is installed, the demo, and a project of one's own."""
