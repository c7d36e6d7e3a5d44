"""How soon the answer is there: logit-lens accuracy after each attention and each MLP (paper figure 1a)."""

import torch
import torch.nn.functional as F

from fourier_lightning.instruments.base import Findings, Instrument, Row, View
from fourier_lightning.models.decoder import LnMode
from fourier_lightning.models.hooks import capture


class LogitLens(Instrument):
    """Reads the residual stream at the last position as if the model ended there; only number tokens compete.

    Writes the table ``lens_accuracy``: layer, after (``attn``, ``mlp``; ``embed`` with layer -1), accuracy, within_2,
    within_10, mod_2, mod_5, mod_10, mae, loss. Logs ``lens/layer_<l>/<attn|mlp>/{accuracy,within_2,within_10}``.

    Args:
        ln: the final LayerNorm, see ``models.decoder``. Default ``recomputed``, the usual lens; the paper's formula,
            argmax W h, is ``none``.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self,
        ln: LnMode = "recomputed",
        every_n_epochs: int = 0,
        limit_batches: int | None = None,
        batch_size: int = 512,
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        self.ln: LnMode = ln

    def measure(self, view: View) -> Findings:
        decoder = view.decoder
        unembedding = decoder.unembedding(view.numbers, fold=self.ln != "none")
        constant = decoder.constant(view.numbers, fold=self.ln != "none")
        sites, axis = decoder.contributions(), torch.arange(view.p, device=view.device)
        tallies = [view.metrics() for _ in sites]
        with capture(decoder, [*sites, decoder.final]) as seen:
            for batch in self.batches(view):
                decoder.answer_logits(batch["prompt"], share=True)
                final = seen[decoder.final]
                resid = torch.zeros_like(final)
                for site, tally in zip(sites, tallies, strict=True):
                    resid = resid + seen[site]
                    logits = decoder.capped(decoder.scaled(resid, self.ln, final) @ unembedding.T + constant)
                    tally.update(logits, batch["answer"], axis, F.cross_entropy(logits, batch["answer"]))
        rows: list[Row] = []
        for site, tally in zip(sites, tallies, strict=True):
            where = {"layer": -1 if site.layer is None else site.layer, "after": site.name.removesuffix("_out")}
            rows.append({**where, **{name: float(value) for name, value in tally.compute().items()}})
        scalars = {
            f"lens/layer_{row['layer']}/{row['after']}/{name}": row[name]
            for row in rows[1:]
            for name in ("accuracy", "within_2", "within_10")
        }
        return Findings({"lens_accuracy": rows}, scalars=scalars)
