"""The export script on a tiny random Whisper: the GPT-2 equals Whisper's decoder on zero encoder states."""

import json
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, WhisperConfig, WhisperForConditionalGeneration

from scripts import export_backbone


@pytest.fixture(scope="module")
def whisper_dir(tmp_path_factory, tokenizer):
    """A random Whisper with the embedded backbone's tokenizer."""
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=24, encoder_layers=1, decoder_layers=3, encoder_attention_heads=2,
        decoder_attention_heads=3, encoder_ffn_dim=16, decoder_ffn_dim=40, max_target_positions=32,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    whisper = WhisperForConditionalGeneration(config).eval()
    for parameter in whisper.parameters():  # biases start at 0: give the folded constant something to carry
        parameter.data += 0.1 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp("whisper")
    whisper.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_logits_equal_whispers_on_silence(whisper_dir, tmp_path, tokenizer, monkeypatch, capsys):
    kept = [i for i in range(len(tokenizer)) if i % 3 != 1]
    ids_file = tmp_path / "ids.json"
    ids_file.write_text(json.dumps({"source_token_ids": kept}))
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["export", str(whisper_dir), str(out), "--token-ids", str(ids_file)])
    export_backbone.main()
    net = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    whisper = WhisperForConditionalGeneration.from_pretrained(whisper_dir).eval()
    rows = torch.randint(len(kept), (4, 20), generator=torch.Generator().manual_seed(0))
    silence = torch.zeros(4, 7, 24)
    with torch.no_grad():
        wanted = whisper(decoder_input_ids=torch.tensor(kept)[rows], encoder_outputs=(silence,)).logits[..., kept]
        got = net(rows).logits
    assert net.config.n_inner == 40 and wanted.std() > 0.3
    torch.testing.assert_close(got, wanted, atol=2e-2, rtol=2e-2)  # weights are written in float16
    exact = export_backbone.gpt2_from_whisper(whisper, kept)
    torch.testing.assert_close(exact(rows).logits, wanted, atol=1e-4, rtol=1e-4)
    assert json.loads((out / "source_token_ids.json").read_text())["source_token_ids"] == kept


def test_trimmed_tokenizer_agrees_where_all_pieces_are_kept(whisper_dir, tmp_path, tokenizer):
    """Keep bytes, numbers to 520 and the format task's tokens: 'a,b+' is tokenized as before."""
    vocab = tokenizer.get_vocab()
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    parts = {left + right: (left, right) for left, right in merges}
    needed, todo = set(), [str(n) for n in range(521)] + [token for token in vocab if len(token) == 1]
    while todo:  # close under the merges that form a token
        needed.add(token := todo.pop())
        todo += [part for part in parts.get(token, ()) if part not in needed]
    kept = [*sorted(vocab[token] for token in needed), tokenizer.bos_token_id, tokenizer.eos_token_id]
    export_backbone.export(str(whisper_dir), tmp_path, kept)
    trimmed = AutoTokenizer.from_pretrained(tmp_path)
    assert len(trimmed) == len(kept) < len(tokenizer)
    for a in range(0, 261, 13):
        for b in range(0, 261, 7):
            text = f"{a},{b}+{a + b}"
            full = tokenizer.encode(text, add_special_tokens=False)
            assert [kept[i] for i in trimmed.encode(text, add_special_tokens=False)] == full


def test_the_embedded_list_rebuilds_the_embedded_tokenizer(tokenizer):
    """Trimming the embedded tokenizer to all of itself changes nothing."""
    again = export_backbone.trim_tokenizer(tokenizer, list(range(len(tokenizer))))
    one, other = (json.loads(t.backend_tokenizer.to_str())["model"] for t in (tokenizer, again))
    assert one == other and again.get_vocab() == tokenizer.get_vocab()


def test_checkpoints_that_are_no_gpt2_in_disguise_are_refused(whisper_dir, tmp_path, monkeypatch, capsys):
    whisper = WhisperForConditionalGeneration.from_pretrained(whisper_dir)
    whisper.config.scale_embedding = True
    with pytest.raises(ValueError, match="unscaled"):
        export_backbone.gpt2_from_whisper(whisper, [0, 1])
    monkeypatch.setattr(sys, "argv", ["export", "/no/such/whisper", str(tmp_path / "out")])
    capsys.readouterr()  # a progress bar of loading
    with pytest.raises(SystemExit) as stop:
        export_backbone.main()
    assert stop.value.code == 2 and capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "out").exists()
