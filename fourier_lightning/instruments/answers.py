"""What a prompted model says in its own words: whole answers, their errors, and whether these are multiples of ten."""

from fourier_lightning.data.answers import errors_of, parse_answer, summary
from fourier_lightning.data.batches import Batches
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments.base import Findings, Instrument, View, spread
from fourier_lightning.models.continued import greedy


class Answers(Instrument):
    """Lets the model go on after the question, the likeliest token each time, to the end of the line.

    Of prompted models alone (``data.shots``): without demonstrations a model doesn't know what an answer looks like.
    What all prompts begin with is computed once a batch. What is said is read by ``data.answers.parse_answer``.

    Writes the tables ``answers`` (a row a question: operands, answer, text, said), ``answer_errors`` (error, count) and
    ``answer_summary``, see ``data.answers.summary``. Logs ``answers/accuracy`` and ``answers/multiples_of_10``.

    Args:
        most: tokens of an answer.
        every_n_epochs, limit_batches, batch_size: see ``Instrument``.
    """

    def __init__(
        self, most: int = 8, every_n_epochs: int = 0, limit_batches: int | None = None, batch_size: int = 256
    ) -> None:
        super().__init__(every_n_epochs, limit_batches, batch_size)
        if most < 1:
            raise ConfigError(f"most={most}", "too few tokens for an answer", "use 1 or more")
        self.most = most

    def measure(self, view: View) -> Findings:
        if view.asked is None:
            return Findings()
        asked, rows = view.asked(), []
        ends = asked.ends.to(view.device)
        groups = [group.to(view.device) for group in asked.questions]
        if self.limit_batches is not None:
            groups = spread(groups, self.limit_batches * self.batch_size)
        for batch in Batches(groups, self.batch_size):
            texts = asked.read(greedy(view.decoder.net, batch["prompt"], ends, self.most))
            for operands, answer, text in zip(batch["operands"].tolist(), batch["answer"].tolist(), texts, strict=True):
                rows.append({"operands": operands, "answer": answer, "text": text, "said": parse_answer(text)})
        told = summary(rows)
        scalars = {"answers/accuracy": told["accuracy"]}
        scalars |= {} if told["share"] is None else {"answers/multiples_of_10": told["share"]}
        return Findings({"answers": rows, "answer_errors": errors_of(rows), "answer_summary": [told]}, scalars=scalars)
