"""Instructions, code size, stack and RAM on emulated boards, beside the committed baseline: `make bench`.

figures: measures, digits itself and singles: single operations and third-party models. anchors: what to be ahead of.
baseline: keeps and compares. report: shows. kernels: a program that shows a part of it.
"""
