"""Train a language model to add: the same as `fourier-lightning train`. `python train.py --help` tells more."""

import sys

from fourier_lightning.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
