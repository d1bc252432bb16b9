"""Metadata of Convoy; the exact versions that are tested stand in `requirements/`."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Returns the requirement lines of `requirements/<name>.in`, comments left out."""
    lines = (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    name="convoy",
    version="0.1.0",
    description="The classic convolutional networks, from a data set to a TensorFlow Serving model repository.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(include=[f"{room}*" for room in ("pipeline", "components", "models", "serving")]),
    package_data={"pipeline": ["configs/*.toml"], "serving": ["**/*.binpb"]},
    install_requires=requirements("runtime"),
    extras_require={
        "gpu": ["tensorflow[and-cuda]==2.21.*"],
        "dev": requirements("dev"),
        "postgresql": requirements("postgresql"),
        "jax": requirements("jax"),
    },
    entry_points={"console_scripts": ["convoy = pipeline.cli:main"]},
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
