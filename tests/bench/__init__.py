"""Instructions, code size, stack and RAM of the digits model, beside the committed baseline: `make bench`.

figures: measures. baseline: keeps and compares. report: shows.
"""
