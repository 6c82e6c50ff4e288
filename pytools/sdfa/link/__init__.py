"""The device link: frames, requests and replies over a byte stream (firmware/SPEC.md section 6)."""
