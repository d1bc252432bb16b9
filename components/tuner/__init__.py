"""Searches for a better recipe with KerasTuner, each trial trained as the Trainer trains."""
