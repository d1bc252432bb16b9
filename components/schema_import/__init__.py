"""A schema that a person curated."""
