"""The most that is taken of what could go on for ever."""

SEED_MAX, EPOCHS_MAX, STEPS_MAX = 2**31 - 1, 10_000, 1_000_000
