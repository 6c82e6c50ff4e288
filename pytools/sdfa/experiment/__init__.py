"""Experiments: learning rules compared over people, data sets and seeds, and the page of their results."""
