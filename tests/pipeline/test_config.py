import datetime
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models
from components.dataset_gen import facts
from models import Recipe
from pipeline import config
from pipeline.errors import UsageError, sentence

DIGITS = '[dataset]\nname = "digits"\n'
# The example of the design: every field that there is.
EXAMPLE = """
[dataset]
name = "digits"
[architectures.lenet5]
[architectures.resnet20]
epochs = 8
[training]
epochs = 5
batch_size = 128
precision = "auto"
devices = "auto"
[gate]
min_accuracy = 0.90
max_regression = 0.005
max_latency_ms = 200
[publish]
label = "stable"
keep_versions = 3
[tuner]
trials = 8
algorithm = "random"
"""


@pytest.fixture
def load(tmp_path):
    """Loads a config from text."""

    def from_text(text, *overrides, architectures=()):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return config.load(str(path), overrides, architectures)

    return from_text


@pytest.fixture
def refusal(load):
    """Loads a config that is refused; returns the sentence."""

    def from_text(*arguments, **options):
        with pytest.raises(UsageError) as caught:
            load(*arguments, **options)
        return sentence(caught.value)

    return from_text


def test_example_of_the_design_loads_and_architectures_override_what_is_shared(load):
    checked = load(EXAMPLE)
    assert list(checked.architectures) == ["lenet5", "resnet20"]
    assert [checked.plan(name).recipe.epochs for name in checked.architectures] == [5, 8]
    assert checked.plan("lenet5").recipe.batch_size == 128
    assert checked.training.devices == "auto"


@pytest.mark.parametrize("path", sorted(config.CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_config_that_ships_loads_by_its_name(path):
    checked = config.load(path.stem)
    assert all(checked.plan(name).recipe for name in checked.architectures)


def test_everything_but_the_data_set_has_a_default(load):
    checked = load(DIGITS)
    assert tuple(checked.architectures) == models.names()
    assert checked.plan("lenet5").recipe == models.recipe("lenet5", "small")
    assert checked.plan("lenet5").form == "small"


def test_every_recipe_field_can_be_overridden_by_an_architecture(load):
    values = {
        "optimizer": "adam",
        "learning_rate": 0.5,
        "momentum": 0.25,
        "nesterov": True,
        "schedule": "step",
        "milestones": [0.25, 0.5],
        "warmup_epochs": 0.5,
        "ema": 0.75,
        "balanced": True,
        "patience": 4,
        "weight_decay": 0.125,
        "label_smoothing": 0.25,
        "clip_norm": 2.0,
        "auxiliary_weight": 0.3,
        "flip": True,
        "shift": 0.125,
        "rotation": 10.0,
        "crop": 0.75,
        "colour": 0.25,
        "rand_augment": 0.3,
        "erasing": 0.5,
        "mixup": 0.2,
        "cutmix": 1.0,
        "epochs": 7,
        "batch_size": 11,
        "seed": 5,
    }
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
    expected = Recipe(**{**values, "milestones": (0.25, 0.5)})
    assert set(values) == set(Recipe.fields())
    assert load(f"{DIGITS}[architectures.resnet20]\n{table}").plan("resnet20").recipe == expected


def test_an_architecture_takes_its_form_and_its_builders_options(load):
    plan = load(f'{DIGITS}[architectures.mobilenet]\nform = "paper"\nalpha = 0.5').plan("mobilenet")
    assert (plan.form, plan.options) == ("paper", {"alpha": 0.5})
    assert plan.recipe == models.recipe("mobilenet", "paper")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("googlenet", {"heads": False, "dropout": 0.5}),
        ("inception_v1_slides", {"errata": "corrected"}),
        ("resnet50", {"shortcut": "c", "v1_5": True, "bn_momentum": 0.9}),
    ],
)
def test_options_are_numbers_flags_and_words_in_a_file_and_on_the_command_line(load, name, options):
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in options.items())
    written = load(f"{DIGITS}[architectures.{name}]\n{table}").plan(name)
    given = [f"architectures.{name}.{key}={str(value).lower()}" for key, value in options.items()]
    for plan in (written, load(DIGITS, *given, architectures=[name]).plan(name)):
        assert {key: (type(value), value) for key, value in plan.options.items()} == {
            key: (type(value), value) for key, value in options.items()
        }
        assert plan.recipe == models.recipe(name, "small")


@pytest.mark.parametrize("name", models.names())
def test_no_key_of_an_architecture_means_two_things(name):
    options = set(models.variant(name).tunable)
    assert not options & {config.FORM, config.TUNE, *Recipe.fields()}


@pytest.mark.parametrize("name", models.names())
def test_every_option_takes_its_own_default(name):
    defaults = {key: option.default for key, option in models.variant(name).tunable.items()}
    assert (
        config.check({"dataset": {"name": "digits"}, "architectures": {name: defaults}}, "mine.toml").plan(name).options
        == defaults
    )


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("epochs 3", ["must be TOML", "line 1"]),
        ("[dataset", ["must be TOML", "Expected ']'"]),
        ("a = " + "[" * 5000, ["must be TOML"]),
        ("", ["`dataset` is required"]),
        ("[dataset]", ["`dataset.name` is required"]),
        ('dataset = "digits"', ["`dataset` must be a table", "Received: 'digits'"]),
        ('[dataset]\nname = "Digits"', ["`dataset.name` must match", "Received: 'Digits'"]),
        ("[dataset]\nname = 3", ["`dataset.name` must be a valid string", "Received: 3"]),
        (f"{DIGITS}max_bad_fraction = 1.5", ["`dataset.max_bad_fraction` must be less than or equal to 1", "1.5"]),
        (f"{DIGITS}max_drift = -0.1", ["`dataset.max_drift` must be greater than or equal to 0", "-0.1"]),
        (
            f'{DIGITS}schema = "no/such.pbtxt"',
            ["`dataset.schema` must be a file", "'no/such.pbtxt', which isn't there"],
        ),
        (f"{DIGITS}schema = 3", ["`dataset.schema` must be a valid string", "Received: 3"]),
        (f'{DIGITS}shema = "x"', ["no config key `dataset.shema`", "Did you mean 'schema'?"]),
        (f'{DIGITS}schema_file = "x"', ["no config key `dataset.schema_file`"]),
        (DIGITS + "[trainning]", ["no config key `trainning`", "Did you mean 'training'?"]),
        (DIGITS + "[training]\nepohs = 3", ["no config key `training.epohs`", "Did you mean 'epochs'?"]),
        (DIGITS + "[gate]\nmin_acuracy = 0.5", ["no config key `gate.min_acuracy`", "Did you mean 'min_accuracy'?"]),
        (DIGITS + '[training]\nepochs = "3"', ["`training.epochs` must be a valid integer", "Received: '3'"]),
        (DIGITS + "[training]\nepochs = 1.5", ["`training.epochs` must be a valid integer", "Received: 1.5"]),
        (DIGITS + "[training]\nepochs = true", ["`training.epochs` must be a valid integer", "Received: True"]),
        (DIGITS + "[training]\nepochs = 0", ["[training] `epochs` must be greater than 0", "Received: 0"]),
        (DIGITS + "[training]\nbatch_size = -1", ["`batch_size` must be greater than 0", "Received: -1"]),
        (DIGITS + "[training]\nlearning_rate = inf", ["`training.learning_rate` must be a finite number"]),
        (DIGITS + '[training]\nprecision = "float8"', ["`training.precision` must be 'auto', 'float32'"]),
        (
            DIGITS + '[training]\ndevices = "gpu"',
            ["`training.devices` must be 'auto' or a number of GPUs. Received: 'gpu'"],
        ),
        (DIGITS + "[training]\ndevices = 0", ["`training.devices` must be 'auto' or a number of GPUs. Received: 0."]),
        (DIGITS + "[training]\ndevices = true", ["`training.devices` must be 'auto' or a number of GPUs"]),
        (DIGITS + "[gate]\nmin_accuracy = 90", ["`gate.min_accuracy` must be less than or equal to 1", "Received: 90"]),
        (DIGITS + "[gate.metrics.macro_f2]\nmin = 0.5", ["Received: 'macro_f2'. Did you mean 'macro_f1'?"]),
        (DIGITS + "[gate.metrics.macro_f1]\nmin = 'high'", ["`gate.metrics.macro_f1.min` must be", "'high'"]),
        (DIGITS + "[gate.metrics.macro_f1]\nmax_regresion = 0.1", ["Did you mean 'max_regression'?"]),
        (DIGITS + "[gate.metrics.macro_f1]", ["must be `min`, `max` or `max_regression`. Received: none of them."]),
        (DIGITS + "[gate.metrics.accuracy]\nmin = 0.9", ["`gate.min_accuracy` and `gate.max_regression`"]),
        (DIGITS + "[gate.metrics]\nmacro_f1 = 0.9", ["`gate.metrics.macro_f1` must be a table. Received: 0.9"]),
        (
            DIGITS + "[gate.slices.'brightnes=dark'.accuracy]\nmin = 0.9",
            ["'brightnes=dark'. Did you mean 'brightness=dark'?"],
        ),
        (
            DIGITS + "[gate.slices.'size=tiny'.accuracy]\nmin = 0.9",
            ["one of class_name=…, brightness=dark", "'size=tiny'"],
        ),
        (DIGITS + "[gate.slices.'class_name='.accuracy]\nmin = 0.9", ["Received: 'class_name='"]),
        (DIGITS + "[gate.slices.'class_name=3'.acuracy]\nmin = 0.9", ["'acuracy'. Did you mean 'accuracy'?"]),
        (
            DIGITS + "[gate.slices.'class_name=3'.macro_f1]\nmin = 0.9",
            ["not the mean over classes. Received: 'macro_f1' for 'class_name=3'; its accuracy is the class's recall."],
        ),
        (DIGITS + "[gate.slices.'class_name=3'.accuracy]\nmn = 0.9", ["no config key", "Did you mean 'min'?"]),
        (DIGITS + "[gate]\nmax_latency_ms = 0", ["`gate.max_latency_ms` must be greater than 0"]),
        (
            DIGITS + '[publish]\nlabel = "live"',
            ["`publish.label` must be 'stable', 'canary' or 'manual'", "Received: 'live'"],
        ),
        (DIGITS + '[publish]\npolicy = "live"', ["`publish.policy` must be 'stable', 'canary' or 'manual'", "'live'"]),
        (DIGITS + '[publish]\npolcy = "stable"', ["no config key `publish.polcy`", "Did you mean 'policy'?"]),
        (
            DIGITS + '[publish]\npolicy = "stable"\nlabel = "canary"',
            ["`publish.policy` must go without its other name, `publish.label`", "Received: 'stable' and 'canary'."],
        ),
        (DIGITS + "[publish]\nkeep_versions = 0", ["`publish.keep_versions` must be greater than or equal to 1"]),
        (DIGITS + "[beam]\nargs = [1]", ["`beam.args.0` must be a valid string"]),
        (DIGITS + "[architectures]", ["`architectures` must name at least one"]),
        ("architectures = 3\n" + DIGITS, ["`architectures` must be a table"]),
        ("architectures.lenet5 = 3\n" + DIGITS, ["`architectures.lenet5` must be a table"]),
        (DIGITS + "[architectures.resnt20]", ["'resnt20'. Did you mean 'resnet20'? `convoy models` lists them."]),
        (DIGITS + "[architectures.lenet5]\nepoch = 3", ["`architectures.lenet5.epoch`", "Did you mean 'epochs'?"]),
        (
            DIGITS + "[architectures.lenet5]\nalpha = 1.0",
            ["no config key `architectures.lenet5.alpha`. `convoy models lenet5` lists them."],
        ),
        (DIGITS + "[architectures.lenet5]\nepochs = 0", ["[architectures.lenet5] `epochs` must be greater than 0"]),
        (DIGITS + '[architectures.lenet5]\nepochs = "3"', ["`architectures.lenet5.epochs` must be an integer", "'3'"]),
        (DIGITS + "[architectures.lenet5]\nmomentum = nan", ["`architectures.lenet5.momentum` must be a number"]),
        (
            DIGITS + f"[architectures.lenet5]\nmomentum = {10**400}",
            ["`architectures.lenet5.momentum` must be a number"],
        ),
        (DIGITS + "[architectures.lenet5]\ntun = {flip = [true, false]}", ["lenet5.tun`. Did you mean 'tune'?"]),
        (DIGITS + "[architectures.lenet5]\nmilestones = 3", ["milestones` must be a list of numbers", "Received: 3"]),
        (DIGITS + '[architectures.lenet5]\nmilestones = ["x"]', ["milestones` must be a list of numbers"]),
        (DIGITS + "[architectures.lenet5]\nnesterov = 1", ["nesterov` must be true or false", "Received: 1"]),
        (
            DIGITS + '[architectures.lenet5]\noptimizer = "sdg"',
            ["`optimizer` must be one of sgd, adam, rmsprop. Received: 'sdg'. Did you mean 'sgd'?"],
        ),
        (DIGITS + '[architectures.lenet5]\nform = "smal"', ["`form` must be one of", "Did you mean 'small'?"]),
        (DIGITS + "[architectures.lenet5]\nform = []", ["`architectures.lenet5.form` must be a string"]),
        (DIGITS + '[architectures.mobilenet]\nalpha = "1"', ["`architectures.mobilenet.alpha` must be a number from"]),
        (DIGITS + "[architectures.mobilenet]\nalpha = -1", ["alpha` must be a number from 0.05 to 4.0. Received: -1."]),
        (DIGITS + "[architectures.mobilenet]\nalpha = true", ["alpha` must be a number from", "Received: True."]),
        (DIGITS + "[architectures.mobilenet]\nalpha = nan", ["alpha` must be a number from", "Received: nan."]),
        (DIGITS + "[architectures.mobilenet]\nalpa = 1.0", ["no config key", "Did you mean 'alpha'?"]),
        (
            DIGITS + "[architectures.googlenet]\nheads = 0",
            ["`architectures.googlenet.heads` must be one of false, true"],
        ),
        (
            DIGITS + '[architectures.resnet18]\nshortcut = "d"',
            ["`architectures.resnet18.shortcut` must be one of a, b, c"],
        ),
        (DIGITS + "[architectures.resnet18]\nv1_5 = true", ["no config key `architectures.resnet18.v1_5`"]),
        (
            DIGITS + '[architectures.inception_v1_slides]\nerrata = "corected"',
            ["`architectures.inception_v1_slides.errata` must be one of", "Did you mean 'corrected'?"],
        ),
    ],
)
def test_a_wrong_config_is_refused_in_one_sentence(refusal, text, phrases):
    said = refusal(text)
    assert all(phrase in said for phrase in phrases), said
    assert "mine.toml" in said


def test_a_value_of_any_length_makes_a_short_sentence(refusal):
    assert len(refusal(f'[dataset]\nname = "{"x" * 9000}!"')) < 300


def test_bytes_that_are_no_text_are_no_toml(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b'[dataset]\nname = "\xff"')
    with pytest.raises(UsageError, match="must be TOML"):
        config.load(str(path))


@pytest.mark.parametrize("name", ["digit", "digits.tml", "/no/such/place/mine.toml", "."])
def test_a_config_that_is_not_there_names_those_that_ship(name):
    with pytest.raises(UsageError, match=r"CONFIG must be a TOML file.*digits"):
        config.load(name)


def test_set_takes_any_toml_value_and_bare_words(load):
    checked = load(
        EXAMPLE,
        "training.epochs=3",
        "gate.max_latency_ms=12.5",
        "publish.label=canary",
        'training.precision="float32"',
        'beam.args=["--runner=DirectRunner"]',
        "architectures.resnet20={epochs = 4, nesterov = true}",
        "architectures.lenet5.milestones=[0.5]",
        "architectures.lenet5.schedule=step",
    )
    assert checked.training.epochs == 3
    assert checked.gate.max_latency_ms == 12.5
    assert (checked.publish.policy, checked.training.precision) == ("canary", "float32")
    assert checked.beam.args == ("--runner=DirectRunner",)
    assert checked.plan("resnet20").recipe.nesterov is True
    assert checked.plan("resnet20").recipe.epochs == 4
    assert checked.plan("lenet5").recipe.milestones == (0.5,)


@pytest.mark.parametrize(
    ("override", "phrase"),
    [
        ("training.epochs", "--set must be KEY=VALUE"),
        ("=3", "--set must be KEY=VALUE"),
        ("dataset.name.more=3", "must name a field of a table"),
        ("training.epochs=many", "`training.epochs` must be a valid integer. Received: 'many'."),
        ("training.epochs=", "`training.epochs` must be a valid integer. Received: ''."),
        ("training.epoch=3", "Did you mean 'epochs'?"),
        (".=3", "There is no config key"),
        ("architectures=3", "`architectures` must be a table"),
    ],
)
def test_a_wrong_set_is_refused(refusal, override, phrase):
    assert phrase in refusal(EXAMPLE, override)
    assert refusal(EXAMPLE, override, architectures=["lenet5"])


def test_architectures_of_the_command_line_keep_their_tables(load):
    checked = load(EXAMPLE, architectures=["resnet20", "mobilenet"])
    assert dict(checked.architectures) == {"resnet20": {"epochs": 8}, "mobilenet": {}}


def test_a_set_for_an_architecture_that_is_left_out_is_refused(refusal):
    said = refusal(EXAMPLE, "architectures.resnet20.epochs=3", architectures=["lenet5"])
    assert (
        "--set must be about what --architectures names: lenet5. Received: 'architectures.resnet20.epochs=3'." in said
    )


def test_an_unknown_architecture_of_the_command_line_is_refused_with_the_nearest(refusal):
    said = refusal(EXAMPLE, architectures=["lenet"])
    assert said.startswith("--architectures must name architectures. Received: 'lenet'. Did you mean 'lenet5'?")


@given(st.text() | st.from_regex(r"(training|architectures|gate)\.[a-z_0-9.]*=.*", fullmatch=True))
def test_whatever_set_says_it_is_a_config_or_a_sentence(override):
    assert _is_config_or_sentence(lambda: config.load("digits", [override]))


def _is_config_or_sentence(work):
    """Refusals alone may come; a config that was accepted resolves every plan."""
    try:
        checked = work()
    except UsageError as error:
        return len(sentence(error).splitlines()) == 1
    return all(checked.plan(name).recipe.epochs > 0 for name in checked.architectures)


def _tables(keys, leaves):
    return st.dictionaries(st.sampled_from(keys) | st.text(max_size=8), leaves, max_size=4)


LEAVES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=12),
        st.dates(),
        st.times(),
        st.datetimes(timezones=st.just(datetime.UTC)),
        st.sampled_from(["digits", "auto", "small", "sgd", "step", 0.5, 1, 0]),
    ),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
OPTIONS = sorted({option for name in models.names() for option in models.variant(name).tunable})
OVERRIDES = _tables([*Recipe.fields(), "form", *OPTIONS], LEAVES)
SECTIONS = {
    "architectures": _tables(models.names(), OVERRIDES | LEAVES) | LEAVES,
    "training": _tables(list(config.Training.model_fields), LEAVES) | LEAVES,
    "gate": _tables(list(config.Gate.model_fields), LEAVES) | LEAVES,
    "publish": _tables(list(config.Publish.model_fields), LEAVES) | LEAVES,
    "beam": _tables(list(config.Beam.model_fields), LEAVES) | LEAVES,
}


DATASET = st.just({"name": "digits"})
KNOWN = st.dictionaries(st.sampled_from([*Recipe.fields(), "form"]), LEAVES, max_size=2)
CONTENTS = st.one_of(
    st.fixed_dictionaries({"dataset": DATASET, "architectures": st.fixed_dictionaries({"lenet5": KNOWN})}),
    st.fixed_dictionaries({"dataset": DATASET | _tables(["name"], LEAVES) | LEAVES}, optional=SECTIONS),
    st.dictionaries(st.text(), LEAVES),
)


@settings(max_examples=300)
@given(CONTENTS, st.lists(st.text(max_size=8)))
def test_whatever_a_toml_file_says_it_is_a_config_or_a_sentence(content, architectures):
    assert _is_config_or_sentence(lambda: config.check(content, "mine.toml", architectures))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('name = "cifar10:3"', "`dataset.name` must match"),
        ('name = "birds"\npath = "/no/such/folder"', "`dataset.path` must be a folder. Received: '/no/such/folder'."),
        (
            'name = "mnist"\nmanual_dir = "/no/such/place"',
            "`dataset.manual_dir` must be a folder. Received: '/no/such/place'.",
        ),
        ('name = "birds:1.0.0"\npath = "."', "`dataset.name` must be a word for models to be called after"),
        ('name = "birds"\npath = "."\nmanual_dir = "."', "are for data sets of TFDS, and must be left out"),
        ('name = "mnist"\nimage_size = [0, 9]', "`dataset.image_size.0` must be greater than or equal to 1"),
        ('name = "mnist"\nchannels = 2', "`dataset.channels` must be 1 or 3. Received: 2."),
    ],
)
def test_a_data_set_that_cannot_be_is_refused(table, sentence, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(f"[dataset]\n{table}\n")
    with pytest.raises(UsageError) as error:
        config.load(str(path))
    assert sentence in str(error.value)


def test_a_data_set_is_told_to_who_reads_it(tmp_path, monkeypatch):
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path)
    content = {"name": "birds", "path": "birds", "image_size": [9, 8], "class_names": ["a", "b"]}
    dataset = config.check({"dataset": content}, "a.toml").dataset
    assert dataset.settings(tmp_path / "work") == facts.Settings(
        "birds",
        str(tmp_path / "work"),
        path=str(tmp_path / "birds"),
        image_size=(9, 8),
        class_names=("a", "b"),
    )


@pytest.mark.parametrize(
    ("name", "title"),
    [("cifar10:3.0.2", "cifar10"), ("mnist_corrupted/shot_noise:1.0.0", "mnist_corrupted_shot_noise")],
)
def test_models_are_called_after_the_data_set_without_its_version(name, title):
    assert config.check({"dataset": {"name": name}}, "a.toml").dataset.title == title


def test_a_curated_schema_is_kept_as_it_was_named(tmp_path):
    (tmp_path / "mine.pbtxt").touch()
    content = {"dataset": {"name": "digits", "schema": str(tmp_path / "mine.pbtxt")}}
    dataset = config.check(content, "mine.toml").dataset
    assert dataset.schema_file == str(tmp_path / "mine.pbtxt")
    assert dataset.model_dump(by_alias=True)["schema"] == dataset.schema_file
