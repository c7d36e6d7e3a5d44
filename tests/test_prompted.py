"""Prompted models: demonstrations, the pass that all prompts share, whole answers, digits as the number line."""

import json

import pytest
import torch

from fourier_lightning.data.digits import filled
from fourier_lightning.errors import ConfigError
from fourier_lightning.instruments import Answers, View
from fourier_lightning.models.continued import SHARED, begun, following, greedy, shared
from fourier_lightning.models.decoder import Decoder
from fourier_lightning.models.hooks import Site, capture
from tests.by_digit import ByDigit, data, spoken, text_of
from tests.tiny_models import SIZES, tiny_model


def test_all_splits_begin_with_the_same_solved_training_rows_and_ask_none_of_them(tokenizer):
    module = data(tokenizer, templates=["equation", "total"], pairs="ordered")
    texts = [text_of(module, row) for split in ("train", "val", "test")
             for group in module.examples(split) for row in group.prompt]  # fmt: skip
    lines = texts[0].splitlines()[:-1]
    assert len(lines) == 4 and all(text.splitlines()[:-1] == lines for text in texts)
    solved = set()
    for line in lines:
        question, answer = line.rsplit("=" if "=" in line else ":", 1)
        a, b = (int("".join(c for c in word if c.isdigit())) for word in question.replace("+", " and ").split(" and "))
        assert a + b == int(answer)
        solved.add((min(a, b), max(a, b)))
    asked = module.operands[torch.cat([module.split["val"], module.split["test"]])].sort(dim=1).values.tolist()
    assert solved.isdisjoint(map(tuple, asked))  # (b, a) is the same question
    rows = module.operands[module.split["train"]].tolist()
    assert not any(list(pair) in rows and list(pair)[::-1] in rows for pair in solved if pair[0] != pair[1])
    other = data(tokenizer, templates=["equation", "total"], pairs="ordered", split_seed=1)
    assert text_of(other, other.examples("val")[0].prompt[0]).splitlines()[:-1] != lines


def test_without_demonstrations_nothing_is_new(tokenizer):
    plain, prompted = data(tokenizer, shots=0), data(tokenizer)
    for split in ("val", "test"):
        assert plain.split[split].equal(prompted.split[split])
        assert plain.examples(split)[0].answer.equal(prompted.examples(split)[0].answer)
    assert len(plain.split["train"]) == len(prompted.split["train"]) + 4
    assert len(plain.vocabulary) < len(prompted.vocabulary) == len(tokenizer)
    assert View.of(tiny_model("gpt2", vocab_size=len(tokenizer)), plain).asked is None


@pytest.mark.parametrize("begins", [False, True])
def test_a_tokenizers_own_beginning_stands_once_before_the_demonstrations(begins):
    module = data(ByDigit(begins), axis="last_digit")
    for group in module.examples("val"):
        assert ((group.prompt == 1).sum(dim=1) == begins).all() and (not begins or (group.prompt[:, 0] == 1).all())


def test_filled_tells_where_each_operand_stands():
    assert filled("{b} less {a}.", [12, 345]) == ("345 less 12.", [(9, 11), (0, 3)])


def test_what_prompts_share_is_counted_to_the_last_token_but_one():
    prompt = torch.arange(12).repeat(3, 1)
    assert shared(prompt) == 11 and shared(prompt[:1]) == 0
    prompt[1, 9] = 0
    assert shared(prompt) == 9
    prompt[2, SHARED - 1] = 0
    assert shared(prompt) == 0


@pytest.mark.parametrize("name", SIZES)
def test_the_prompted_path_is_transformers_own_generate(name):
    """Logits of every step and the answers themselves, of every architecture, a window shorter than the prompt too."""
    tokenizer = ByDigit()
    window = {"sliding_window": 12} if name in ("mistral", "gemma2") else {}
    net, module = spoken(name, tokenizer, **window)
    asked = module.asked("val")
    group = max(asked.questions, key=len)
    prompt, ends = group.prompt[:6], asked.ends
    assert shared(prompt) > SHARED
    with torch.inference_mode():
        theirs = net.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=5, do_sample=False, pad_token_id=2,
            eos_token_id=ends.tolist(), output_logits=True, return_dict_in_generate=True,
        )  # fmt: skip
        ours, decoder = greedy(net, prompt, ends, 5), Decoder(net)
        said = theirs.sequences[:, prompt.shape[1] :]
        assert asked.read(ours) == asked.read(said)
        (past, done), going = begun(net, prompt), torch.ones(len(prompt), dtype=torch.bool)
        tokens = prompt[:, done:]
        for token, whole in zip(said.T, theirs.logits, strict=True):  # of rows that are over, generate pads
            torch.testing.assert_close(following(net, tokens, past)[going], whole[going], atol=1e-4, rtol=1e-4)
            going, tokens = going & ~torch.isin(token, ends), token[:, None]
        logits = decoder.answer_logits(prompt, share=True)
        torch.testing.assert_close(logits, theirs.logits[0], atol=1e-4, rtol=1e-4)
        whole = decoder.answer_logits(prompt)
        torch.testing.assert_close(logits, whole, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(decoder.answer_logits(prompt, decoder.prefix(prompt)), whole, atol=1e-4, rtol=1e-4)


def test_what_is_shared_is_computed_once(monkeypatch):
    net, module = spoken("llama", ByDigit())
    prompt, tokens = module.examples("val")[-1].prompt, []
    net.register_forward_pre_hook(lambda _m, args, named: tokens.append(args[0].numel()), with_kwargs=True)
    with torch.inference_mode():
        Decoder(net).answer_logits(prompt, share=True)
        common = shared(prompt)
        assert tokens == [common, len(prompt) * (prompt.shape[1] - common)]
        tokens.clear()
        Decoder(net).prefix(prompt)
        assert sum(tokens) == common + len(prompt) * (prompt.shape[1] - 1 - common)


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_sites_see_the_same_whether_the_beginning_is_shared_or_not(name):
    net, module = spoken(name, ByDigit())
    decoder, prompt = Decoder(net), module.examples("val")[-1].prompt
    sites = [*decoder.contributions(), decoder.final, Site("ln_final")]
    with torch.inference_mode(), capture(decoder, sites) as seen:
        decoder.answer_logits(prompt)
        whole = dict(seen)
        decoder.answer_logits(prompt, share=True)
        for site in sites:
            torch.testing.assert_close(seen[site], whole[site], atol=1e-4, rtol=1e-4)


def test_answers_are_read_and_their_errors_counted(monkeypatch):
    module = data(ByDigit(), axis="last_digit")
    net = tiny_model("llama", vocab_size=len(ByDigit()), max_position_embeddings=128)
    view, said = View.of(net, module), iter(range(10**6))

    def speak(_net, prompt, ends, most):
        texts = []
        for row in prompt:
            a, b = map(int, text_of(module, row).splitlines()[-1].rstrip("=").split("+"))
            wrong = next(said) % 4
            texts.append([f"{a + b}\n", f"{a + b + 10}\n9", f"{a + b + 1}\n", "so\n"][wrong].ljust(6, "$"))
        return torch.tensor([ByDigit()(text)["input_ids"] for text in texts])

    monkeypatch.setattr("fourier_lightning.instruments.answers.greedy", speak)
    found = Answers(batch_size=16)(view)
    (told,) = found.tables["answer_summary"]
    n = told["prompts"]
    assert n == len(module.split["val"]) == len(found.tables["answers"]) and told["accuracy"] == -(-n // 4) / n
    assert told["tens"] == round(n / 4) and told["errors"] == 2 * round(n / 4)
    assert {row["error"] for row in found.tables["answer_errors"]} == {0, 1, 10}
    assert found.scalars == {"answers/accuracy": told["accuracy"], "answers/multiples_of_10": told["share"]}
    assert found.tables["answers"][3]["text"] == "so" and found.tables["answers"][3]["said"] is None
    few = Answers(limit_batches=1, batch_size=8)(view).tables["answer_summary"][0]["prompts"]
    assert few < n
    with pytest.raises(ConfigError, match="most=0: too few tokens"):
        Answers(most=0)


PROMPTED = [
    "experiment=prompted",
    "data.max_operand=20",
    "logger=none",
    "trainer.accelerator=cpu",
    "~callbacks.progress_bar",
]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("data.shots=4", "data.shots=4: of a pretrained model as it is, not of one that is trained; add fit=false"),
        (
            "fit=false data.shots=4 model=scratch",
            "data.shots=4: a model with a random body has nothing to say; add model=pretrained",
        ),
        (
            "fit=false model=scratch data.axis=last_digit",
            "data.axis=last_digit: a model with a random",
        ),
        ("data.axis=digit", "data.axis=digit: str is not allowed here; use one of number, last_digit, first_digit"),
        ("experiment=prompted data.shots=90", "data.templates: prompts of"),
        ("experiment=prompted data.axis=last_digit", "data.axis=last_digit: this tokenizer does not split"),
        ("callbacks.answers.most=0", "callbacks.answers.most=0: too few tokens for an answer"),
    ],
)
def test_what_can_not_be_asked_is_one_line(command_line, tmp_path, options, message):
    done = command_line(*options.split(), f"hydra.run.dir={tmp_path / 'run'}")
    assert (done.code, done.err.count("\n")) == (2, 1) and done.err.startswith(f"error: {message}")
    assert not (tmp_path / "run").exists()


def test_a_prompted_run_from_the_command_line(command_line, tmp_path):
    where = tmp_path / "run"
    few = "instruments=[answers,logit_lens]"
    done = command_line(*PROMPTED, few, f"hydra.run.dir={where}")
    assert done.code == 0 and "of 23 answers are right" in done.out
    run = json.loads((where / "record" / "run.json").read_text())
    assert run["status"] == "finished" and run["arm"]["trained"] is False and run["config"]["data"]["shots"] == 4
    assert run["metrics"]["answers/accuracy"] == 0
