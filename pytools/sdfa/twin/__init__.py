"""The integer twin: the arithmetic of firmware/SPEC.md in numpy, equal to the C runtime bit for bit; and beside it the
float reference, which says what eight bits cost."""
