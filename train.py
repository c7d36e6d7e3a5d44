"""Train a GPT-2-style model to add. `python train.py --help` tells what can be set."""

from fourier_lightning.cli import main

if __name__ == "__main__":
    main()
