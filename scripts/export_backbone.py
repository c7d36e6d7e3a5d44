"""Rebuild the embedded backbone: a Whisper text decoder as a plain Hugging Face GPT-2 directory.

    python -m scripts.export_backbone openai/whisper-tiny.en OUT_DIR

Whisper's decoder is a pre-LayerNorm GPT-2 with one more thing, cross-attention to the audio. Over an all-zero
encoder output that attention does not depend on the query: each layer adds the constant W_o b_v + b_o. The
constant goes into `attn.c_proj.bias` and cross-attention is dropped, so the GPT-2 equals the decoder on zero
encoder states. The vocabulary is cut to a list of token ids (by default the embedded backbone's own); a merge of
the BPE stays if its two parts and its result stay.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    WhisperForConditionalGeneration,
)

from fourier_lightning.config import asset_path

EMBEDDED = Path(asset_path("whisper-tiny-en-text"))


def gpt2_from_whisper(whisper: WhisperForConditionalGeneration, token_ids: list[int]) -> GPT2LMHeadModel:
    """The decoder as a GPT-2 that holds the rows ``token_ids`` of its table.

    Raises:
        ValueError: the checkpoint has a feature that GPT-2 lacks (scaled embeddings, untied output).
    """
    config = whisper.config
    if config.scale_embedding or not config.tie_word_embeddings:
        raise ValueError("only Whisper checkpoints with tied, unscaled embeddings are GPT-2 in disguise")
    net = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(token_ids),
            n_positions=config.max_target_positions,
            n_embd=config.d_model,
            n_layer=config.decoder_layers,
            n_head=config.decoder_attention_heads,
            n_inner=config.decoder_ffn_dim,
            activation_function=config.activation_function,
            bos_token_id=None,
            eos_token_id=None,
        )
    )
    decoder = whisper.model.decoder
    state: dict[str, Tensor] = {
        "wte.weight": decoder.embed_tokens.weight[token_ids],
        "wpe.weight": decoder.embed_positions.weight,
        **_linear("ln_f", decoder.layer_norm),
    }
    for index, layer in enumerate(decoder.layers):
        state |= {f"h.{index}.{name}": value for name, value in block_state(layer).items()}
    net.transformer.load_state_dict({name: value.detach().float() for name, value in state.items()})
    return net.eval()


def block_state(layer: Any) -> dict[str, Tensor]:
    """Weights of one GPT-2 block from a Whisper decoder layer. GPT-2's Conv1D stores (in, out): transposed."""
    own, cross = layer.self_attn, layer.encoder_attn
    constant = cross.out_proj.weight @ cross.v_proj.bias + cross.out_proj.bias  # W_o b_v + b_o
    key_bias = torch.zeros_like(own.q_proj.bias)  # Whisper's keys have no bias
    return {
        "attn.c_attn.weight": torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight]).T,
        "attn.c_attn.bias": torch.cat([own.q_proj.bias, key_bias, own.v_proj.bias]),
        "attn.c_proj.weight": own.out_proj.weight.T,
        "attn.c_proj.bias": own.out_proj.bias + constant,
        "mlp.c_fc.weight": layer.fc1.weight.T,
        "mlp.c_fc.bias": layer.fc1.bias,
        "mlp.c_proj.weight": layer.fc2.weight.T,
        "mlp.c_proj.bias": layer.fc2.bias,
        **_linear("ln_1", layer.self_attn_layer_norm),
        **_linear("ln_2", layer.final_layer_norm),
    }


def _linear(name: str, module: Any) -> dict[str, Tensor]:
    return {f"{name}.weight": module.weight, f"{name}.bias": module.bias}


def trim_tokenizer(tokenizer: PreTrainedTokenizerFast, token_ids: list[int]) -> PreTrainedTokenizerFast:
    """The byte-level BPE with only these tokens, renumbered in the order of the list.

    Texts whose encoding (and every step of it) stays inside the list are tokenized as before.
    """
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    token_of = {index: token for token, index in spec["model"]["vocab"].items()}
    added = {token["id"]: token for token in spec["added_tokens"]}
    new_id = {old: new for new, old in enumerate(token_ids)}
    vocab = {token_of[old]: new for old, new in new_id.items() if old not in added}
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in spec["model"]["merges"]]
    spec["model"]["vocab"] = vocab
    spec["model"]["merges"] = [pair for pair in merges if {*pair, "".join(pair)} <= vocab.keys()]
    spec["added_tokens"] = [{**added[old], "id": new, "special": True} for old, new in new_id.items() if old in added]
    spec["post_processor"] = None  # Whisper's prompt tokens are not wanted around every text
    backend = type(tokenizer.backend_tokenizer).from_str(json.dumps(spec))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        bos_token="<|startoftranscript|>" if "<|startoftranscript|>" in tokenizer.get_vocab() else None,
        eos_token="<|endoftext|>" if "<|endoftext|>" in tokenizer.get_vocab() else None,
    )


def export(source: str, out_dir: str | Path, token_ids: list[int], dtype: torch.dtype = torch.float16) -> None:
    """Write the GPT-2 directory: weights in ``dtype``, tokenizer, and the source's id of each row."""
    net = gpt2_from_whisper(WhisperForConditionalGeneration.from_pretrained(source), token_ids)
    tokenizer = trim_tokenizer(AutoTokenizer.from_pretrained(source), token_ids)
    net.config.bos_token_id, net.config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    net.to(dtype).save_pretrained(out_dir)
    tokenizer.save_pretrained(out_dir)
    (Path(out_dir) / "source_token_ids.json").write_text(json.dumps({"source_token_ids": token_ids}))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a Whisper *.en checkpoint: hub name or local directory")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument(
        "--token-ids",
        type=Path,
        default=EMBEDDED / "source_token_ids.json",
        help="JSON file with the list source_token_ids (default: the embedded backbone's)",
    )
    args = parser.parse_args()
    try:
        token_ids = json.loads(args.token_ids.read_text())["source_token_ids"]
        export(args.source, args.out_dir, token_ids)
    except (OSError, ValueError, KeyError) as error:
        parser.exit(2, f"error: {' '.join(str(error).split())}\n")
    print(f"wrote {args.out_dir}")


if __name__ == "__main__":
    main()
