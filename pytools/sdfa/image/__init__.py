"""The image of firmware/SPEC.md section 1: records, writer, reader and its checks, and the C source that carries it."""
