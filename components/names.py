"""Names that components share: features, splits, signatures, files, properties. Imports nothing."""

# Features of the examples that DatasetGen writes.
IMAGE = "image"
LABEL = "label"
CLASS_NAME = "class_name"
HEIGHT = "height"
WIDTH = "width"
CHANNELS = "channels"
BRIGHTNESS = "brightness"

# Splits. The test split is seen by the Evaluator and by infra validation, never by training.
TRAIN = "train"
VALIDATION = "validation"
TEST = "test"

# Constants of a full pass over the train split, that Transform computes and adds to every transformed example.
PIXEL_MEAN = "pixel_mean"
PIXEL_VARIANCE = "pixel_variance"

# What the same pass counted, an asset of the transform graph: a line `frequency label class_name` for each class.
VOCABULARY = "classes"
VOCABULARY_SEPARATOR = " "

# Signatures of every exported SavedModel (see `components.trainer.export`).
SERVING_DEFAULT = "serving_default"
PIXELS = "pixels"
CLASSIFY = "classify"

# Files that components leave beside each other's artifacts.
TRAINING_FILE = "training.json"
INFRA_FILE = "infra_validation.json"
WARMUP_FILE = "tf_serving_warmup_requests"
REGISTRATION_FILE = "registration.json"
PUBLICATION_FILE = "publication.json"

# Files of the data report, and of the schema that TFX writes.
REPORT_FILE = "data_report.html"
OVERVIEW_FILE = "data_report.png"
FINDINGS_FILE = "findings.json"
SCHEMA_FILE = "schema.pbtxt"

# MLflow's alias of the version that is live.
CHAMPION = "champion"

# Custom properties, as TFX names them where it has the name.
BLESSED = "blessed"
PUSHED = "pushed"
PUSHED_DESTINATION = "pushed_destination"
PUSHED_VERSION = "pushed_version"

# Of the examples that DatasetGen writes, and among its execution properties: which data they are, and their number.
FINGERPRINT = "fingerprint"
SPAN = "span"

# Execution property of every component of ours: a change of the code that it runs makes it run again.
SOURCE_DIGEST = "source_digest"

# Keys of the config that components name in what they say.
SCHEMA_KEY = "dataset.schema"
BAD_KEY = "dataset.max_bad_fraction"
DRIFT_KEY = "dataset.max_drift"
