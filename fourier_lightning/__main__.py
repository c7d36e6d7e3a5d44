"""``python -m fourier_lightning`` is the console command ``fourier-lightning``."""

from fourier_lightning.cli import main

if __name__ == "__main__":
    main()
