"""What makes pages and pictures of the documentation while it is built."""
