"""What the data look like, and what speaks against them."""
