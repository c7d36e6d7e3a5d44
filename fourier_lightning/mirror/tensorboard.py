"""The TensorBoard mirror: one file of events for a run, and its configuration beside its final metrics."""

from collections.abc import Mapping

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only


class TensorBoard(TensorBoardLogger):
    """Lightning's logger, whose file stays open from the fit to the test: Lightning's begins another one for each."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write out what there is; ``close`` ends the file."""
        if self._experiment is not None:
            self.save()

    @rank_zero_only
    def close(self, metrics: Mapping[str, float]) -> None:
        """End the file with the final accuracies beside the configuration, by which the page HPARAMS compares runs.

        Args:
            metrics: final ones; none of a run that failed.
        """
        shown = {f"hp/{name}": value for name, value in metrics.items() if name.endswith("/accuracy")}
        self.log_hyperparams(dict(self.hparams), shown)
        super().finalize("success" if metrics else "failed")
