"""What a model is worth: measured by TFMA, judged against its own champion."""
