"""Where data are processed: a config's options for Apache Beam, checked, and what they leave open.

Beam passes over an option that it doesn't know: one mistyped would process elsewhere, or otherwise, and nobody be told.
"""

import argparse
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import UsageError
from pipeline.values import near

IN_MEMORY, MULTI_PROCESSING = "in_memory", "multi_processing"
DIRECT = "directrunner"
# Runners that know no other options than Beam's Python side does; a job service may have options of its own.
COMPLETE = (DIRECT, "bundlebaseddirectrunner", "switchingdirectrunner", "fnapirunner", "dataflowrunner")
# How much alike, of 1, two options are where one is the other mistyped.
MISTYPED = 0.85
REMOTE = ("portablerunner", "flinkrunner", "sparkrunner", "dataflowrunner")
# TFDV 1.16 imports a module that tfx-bsl 1.21 dropped, and TFX brings a stand-in: a worker must import TFX first.
PLUGIN = "tfx"
# What tells TFX that workers have it already.
SHIPPED = ("extra_packages", "setup_file", "requirements_file", "sdk_container_image", "worker_harness_container_image")
# Nobody looks for this image: it keeps TFX from packing a source distribution of itself, a second a step and a folder
# that stays in /tmp, which asks for releases of ML Metadata and TFDV that the lock file overrides.
INSTALLED = "--sdk_container_image=installed"


def beam_args(args: Sequence[str]) -> list[str]:
    """Adds what options for Beam leave open: in memory, unless they name workers, a mode or a runner.

    Args:
      args: As in `[beam] args`.

    Returns:
      Options; those given come last, where they hold.

    Raises:
      UsageError: Beam doesn't know an option or the runner, can't read a value, or one contradicts another.
    """
    options, unknown = _parsed(args)
    runner = _runner(options["runner"])
    _require_known(unknown, runner, options)
    mode = _mode(options, args) if runner == DIRECT else None
    added = [f"--direct_running_mode={mode}"] * (mode is not None)
    plugins = [name for value in options["beam_plugins"] or () for name in value.split(",")]
    if mode != IN_MEMORY and PLUGIN not in plugins:
        added.append(f"--beam_plugin={PLUGIN}")
    if not any(options[key] for key in SHIPPED):
        _require_installed(runner, options)
        added.append(INSTALLED)
    return [*added, *args]


def _parsed(args: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Returns the value of every option that Beam knows, and the arguments that it doesn't."""
    from apache_beam.options.pipeline_options import PipelineOptions

    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    parsers[0].exit_on_error = False  # Or a wrong value would end the process.
    try:
        options, unknown = parsers[0].parse_known_args(list(args))
    except (argparse.ArgumentError, ValueError) as error:
        raise UsageError(f"`beam.args` must have values that Beam can read. Received: {error}.") from error
    return vars(options), unknown


def _runner(name: str | None) -> str:
    """Returns the name of a runner as Beam compares it: in small letters; one of another package as it is."""
    from apache_beam.options.pipeline_options import StandardOptions

    if not name:
        return DIRECT
    known = {one.lower(): one for one in StandardOptions.KNOWN_RUNNER_NAMES}
    for spelt in (name.lower(), f"{name.lower()}runner"):
        if spelt in known:
            return spelt
    if "." in name:
        return name
    raise UsageError(f"--runner must be one that Beam has. Received: {name!r}.{near(name, known.values())}")


def _require_known(unknown: Sequence[str], runner: str, options: Mapping[str, Any]) -> None:
    """Refuses arguments that nobody would read, or that are all but an option that Beam knows."""
    known = [f"--{key}" for key in options]
    for argument in unknown:
        name = argument.partition("=")[0]
        # Flink's and Spark's job services have options that Python's Beam doesn't know, and values behind a space.
        if runner in COMPLETE or difflib.get_close_matches(name, known, cutoff=MISTYPED):
            raise UsageError(f"`beam.args` must be options that Beam knows. Received: {name!r}.{near(name, known)}")


def _require_installed(runner: str, options: Mapping[str, Any]) -> None:
    """Refuses workers in containers of Beam's own image: they have none of the packages."""
    if runner in REMOTE and options["environment_type"] not in ("EXTERNAL", "LOOPBACK", "PROCESS"):
        raise UsageError(
            f"--sdk_container_image must be an image in which Convoy is installed, or --environment_type EXTERNAL with "
            f"its workers. Received: neither, with --runner={options['runner']}."
        )


def _mode(options: Mapping[str, Any], args: Sequence[str]) -> str:
    """Returns how Beam's own runner works: in this process, unless a mode or several workers are asked for."""
    told = any(argument.partition("=")[0] == "--direct_running_mode" for argument in args)
    workers = options["direct_num_workers"]
    mode = options["direct_running_mode"] if told else (IN_MEMORY if workers == 1 else MULTI_PROCESSING)
    if mode == IN_MEMORY and workers != 1:
        raise UsageError(
            f"--direct_num_workers must be 1 with --direct_running_mode={IN_MEMORY}. Received: {workers}; "
            f"leave the mode out, or say {MULTI_PROCESSING}."
        )
    return str(mode)
