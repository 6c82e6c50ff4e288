"""What a device must compute: the integer twin, equal to the C runtime bit for bit, and the float reference."""
