"""Trains an architecture by its recipe and exports it."""
