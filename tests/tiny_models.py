"""Tiny random models of every architecture that the decoder knows: one line each in ``SIZES``."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM

VOCABULARY, WIDTH, LAYERS = 60, 32, 2

# What an architecture needs beside the sizes that all share.
SIZES = {
    "gpt2": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "gptj": {"rotary_dim": 4},
    "gpt_neox": {"intermediate_size": 48},
    "llama": {"intermediate_size": 48, "num_key_value_heads": 2},
    "mistral": {"intermediate_size": 48, "num_key_value_heads": 2},
    "qwen2": {"intermediate_size": 48, "num_key_value_heads": 2},
    "qwen3": {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8},
    "smollm3": {"intermediate_size": 48, "no_rope_layers": [1, 0], "num_key_value_heads": 2, "pad_token_id": None},
    "olmo2": {"intermediate_size": 48, "num_key_value_heads": 2, "pad_token_id": None},
    "phi": {"intermediate_size": 48},
    "phi3": {"intermediate_size": 48, "pad_token_id": None},
    "gemma": {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8},
    "gemma2": {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 5.0},
    "gemma3_text": {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 4},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": WIDTH},
}

TIED = (
    "gpt2",
    "gpt_neo",
    "smollm3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "opt",
)  # of these the input table is the unembedding, too


def tiny_model(name: str, **settings):
    """A random model in evaluation mode, away from the near-linear initialisation: every weight and bias matters."""
    shared = {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
        "max_position_embeddings": 16, "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip
    config = AutoConfig.for_model(name, **{**shared, **SIZES.get(name, {}), **settings})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = AutoModelForCausalLM.from_config(config).eval()
        for parameter in net.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
    return net
