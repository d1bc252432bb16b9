"""What a config's options for Beam become, and which are refused."""

import pytest

from pipeline import config, engines, graph
from pipeline.errors import UsageError
from pipeline.workspace import Workspace

IN_MEMORY = "--direct_running_mode=in_memory"
PROCESSES = "--direct_running_mode=multi_processing"
PORTABLE = ("--runner=PortableRunner", "--job_endpoint=host:8099")
EXTERNAL = (*PORTABLE, "--environment_type=EXTERNAL", "--environment_config=host:50000")
IMAGE = "--sdk_container_image=registry/convoy:1"
FLINK = ("--runner=FlinkRunner", "--flink_master=host:8081", IMAGE)


def read(args):
    """Reads options as Beam does."""
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(args).get_all_options()


def test_nothing_said_is_in_memory_and_packs_nothing():
    assert engines.beam_args([]) == [IN_MEMORY, "--sdk_container_image=installed"]


@pytest.mark.parametrize(
    ("args", "mode", "plugins"),
    [
        ((), "in_memory", None),
        (("--runner=DirectRunner",), "in_memory", None),
        (("--runner=direct",), "in_memory", None),
        (("--direct_num_workers=1",), "in_memory", None),
        (("--direct_num_workers=4",), "multi_processing", ["tfx"]),
        (("--direct_num_workers", "0"), "multi_processing", ["tfx"]),
        ((PROCESSES,), "multi_processing", ["tfx"]),
        (("--direct_running_mode", "multi_threading"), "multi_threading", ["tfx"]),
        ((PROCESSES, "--beam_plugin=tfx"), "multi_processing", ["tfx"]),
        ((PROCESSES, "--beam_plugins=mine,tfx"), "multi_processing", ["mine,tfx"]),
        ((PROCESSES, "--beam_plugin=mine"), "multi_processing", ["tfx", "mine"]),
        ((PROCESSES, IN_MEMORY), "in_memory", None),
    ],
)
def test_what_is_said_holds_and_what_it_needs_is_added(args, mode, plugins):
    found = read(engines.beam_args(args))
    assert found["direct_running_mode"] == mode
    assert found["beam_plugins"] == plugins


@pytest.mark.parametrize("args", [EXTERNAL, FLINK, ("--runner=DataflowRunner", "--project=p", IMAGE)])
def test_another_runner_gets_no_mode_of_the_direct_one(args):
    found = engines.beam_args(args)
    assert not [one for one in found if one.startswith("--direct")]
    assert found[-len(args) :] == list(args)
    assert read(found)["beam_plugins"] == ["tfx"]


@pytest.mark.parametrize(
    ("args", "image"),
    [
        ((), "installed"),
        (EXTERNAL, "installed"),
        ((PROCESSES,), "installed"),
        ((IMAGE,), "registry/convoy:1"),
        (FLINK, "registry/convoy:1"),
        ((*PORTABLE, "--setup_file=setup.py"), None),
    ],
)
def test_tfx_packs_itself_for_nobody(args, image, monkeypatch):
    """It would, for a second and 50 MB in the temporary folder, at every step."""
    from tfx.utils import dependency_utils

    monkeypatch.setattr(dependency_utils, "build_ephemeral_package", lambda: pytest.fail("packed"))
    found = engines.beam_args(args)
    assert dependency_utils.make_beam_dependency_flags(found) == found
    assert read(found)["sdk_container_image"] == image


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--direct_runing_mode=in_memory"], "options that Beam knows. .*Did you mean '--direct_running_mode'"),
        (["direct_running_mode=in_memory"], "Did you mean '--direct_running_mode'"),
        (["--direct_num_worker=2"], "Did you mean '--direct_num_workers'"),
        (["--checkpointing_interval=1"], "options that Beam knows. Received: '--checkpointing_interval'"),
        ([*FLINK, "--flink_mastr=host:1"], "Did you mean '--flink_master'"),
        (["--runner=DataflowRunner", "--regoin=eu", IMAGE], "Did you mean '--region'"),
        (["--direct_running_mode=multi_procesing"], "values that Beam can read. .*multi_procesing"),
        (["--direct_num_workers=two"], "values that Beam can read. .*two"),
        (["--runner"], "values that Beam can read. .*--runner"),
        (["--runner=FlinkRuner", IMAGE], "one that Beam has. Received: 'FlinkRuner'. Did you mean 'FlinkRunner'"),
        ([IN_MEMORY, "--direct_num_workers=2"], "--direct_num_workers must be 1 .* Received: 2"),
        (PORTABLE, "--sdk_container_image must be .* Received: neither, with --runner=PortableRunner"),
        (["--runner=dataflow"], "--sdk_container_image must be"),
    ],
)
def test_what_beam_would_pass_over_or_fail_at_later_is_refused_in_a_sentence(args, sentence):
    with pytest.raises(UsageError, match=sentence) as refused:
        engines.beam_args(args)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("extra", ["--checkpointing_interval=60000", "--fasterCopy"])
def test_options_that_only_a_job_service_knows_reach_it(extra):
    assert engines.beam_args([*FLINK, extra])[-1] == extra


def test_the_graph_has_them(tmp_path):
    content = {"dataset": {"name": "digits"}, "architectures": {"lenet5": {}}}

    def built(**beam):
        return graph.build(config.check({**content, "beam": beam}, "mine.toml"), Workspace(tmp_path))

    assert built().beam_pipeline_args == engines.beam_args([])
    assert built(args=["--direct_num_workers=2"]).beam_pipeline_args == engines.beam_args(["--direct_num_workers=2"])
    with pytest.raises(UsageError, match="Did you mean '--runner'"):
        built(args=["--runer=DirectRunner"])
