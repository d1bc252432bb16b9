"""How each step works: TFX components and what they run."""
