"""A model on a target: the questions that it answers, and the jobs made of them: learn, check, bench."""
