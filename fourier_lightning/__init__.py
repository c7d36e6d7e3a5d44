"""fourier_lightning: train, dissect and causally test how language models add numbers."""

import time

__version__ = "0.1.0"
STARTED = time.perf_counter()  # start-up is timed from here: nothing heavy is imported earlier
