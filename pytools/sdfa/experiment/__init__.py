"""Experiments: how well devices learn from people that their factory model has never seen."""
