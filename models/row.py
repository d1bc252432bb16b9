"""What a row of the catalog holds: a paper, the forms of a network, its options, the variant itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.recipes import Recipe


@dataclass(frozen=True)
class Paper:
    """Names the publication that a network comes from."""

    title: str
    authors: str
    year: int
    url: str

    def __str__(self) -> str:
        """Returns the citation as one readable line."""
        return f"{self.authors} ({self.year}). {self.title}. {self.url}"


@dataclass(frozen=True)
class Form:
    """Says what images one form of a network takes.

    Attributes:
        input_shape: Native height, width and channels.
        min_side: Smallest side, in pixels, that leaves at least 1x1 after every layer.
        resize_to: Images with a side below `min_side` are resized to this side, square and bilinear, by the first
            layer of the network; None where they are refused.
        options: Arguments of the family's builder that make this form.
    """

    input_shape: tuple[int, int, int]
    min_side: int
    resize_to: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)

    def accepts(self, side: int) -> bool:
        """Returns whether images whose shorter side is `side` pixels fit."""
        return side >= self.min_side or self.resize_to is not None

    def rule(self) -> str:
        """Returns what sides fit, in words."""
        if self.resize_to is None:
            return f"takes sides from {self.min_side} on"
        return f"takes any side (below {self.min_side} pixels it resizes to {self.resize_to}x{self.resize_to})"


@dataclass(frozen=True)
class Range:
    """Is an argument of a family's builder that a caller may override with a number from `low` to `high`."""

    default: float
    low: float
    high: float

    def accepts(self, value: object) -> bool:
        """Returns whether a value may stand in for the default."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def rule(self) -> str:
        """Returns what is accepted, in words."""
        return f"a number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Choice:
    """Is an argument of a family's builder that a caller may override with one of some values; a flag has two."""

    default: str | int | bool
    values: tuple[str | int | bool, ...] = (False, True)

    def accepts(self, value: object) -> bool:
        """Returns whether a value may stand in for the default; 1 does not pass for true."""
        return any(type(value) is type(known) and value == known for known in self.values)

    def rule(self) -> str:
        """Returns what is accepted, in words."""
        return "one of " + ", ".join(str(value).lower() for value in self.values)


@dataclass(frozen=True)
class Variant:
    """Declares one network: a row of the catalog.

    Attributes:
        name: What the command line and the configs call it.
        family: The module `models.<family>`, whose `build` makes it.
        description: What it is, in a few words.
        paper: Where it was published.
        classes: Classes of its home data set.
        params: Weights of the native paper form, moving statistics and auxiliary heads included.
        forms: `paper`, as published, and `small`, for small images.
        recipes: How to train it, under the same two keys.
        options: Arguments of the family's builder that make this variant.
        tunable: Arguments of the builder that a caller may override; a form may set another default in its options.
    """

    name: str
    family: str
    description: str
    paper: Paper
    classes: int
    params: int
    forms: Mapping[str, Form]
    recipes: Mapping[str, Recipe]
    options: Mapping[str, object] = field(default_factory=dict)
    tunable: Mapping[str, Range | Choice] = field(default_factory=dict)
