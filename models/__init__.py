"""Convoy's networks: what can be trained, and how.

Importing this package is cheap: Keras is loaded when a network is first created.
"""

from models.catalog import UnknownArchitectureError, names, variant
from models.recipes import Recipe
from models.registry import create, describe, recipe
from models.row import Choice, Form, Paper, Range, Variant

__all__ = [
    "Choice",
    "Form",
    "Paper",
    "Range",
    "Recipe",
    "UnknownArchitectureError",
    "Variant",
    "create",
    "describe",
    "names",
    "recipe",
    "variant",
]
