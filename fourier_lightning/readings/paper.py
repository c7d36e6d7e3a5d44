"""What the paper prints: the numbers that ours are held against (arXiv 2406.03445)."""

TABLE_1 = {  # validation loss and accuracy by (modules, removed); GPT-2-XL, fine-tuned
    ("none", "none"): (0.0073, 0.9974),
    ("attn_mlp", "low"): (4.0842, 0.0594),
    ("attn", "low"): (0.0352, 0.9912),
    ("mlp", "low"): (2.1399, 0.3589),
    ("attn_mlp", "high"): (1.8598, 0.2708),
    ("attn", "high"): (0.5943, 0.7836),
    ("mlp", "high"): (0.1213, 0.9810),
}
SHORT = (2.0, 2.5, 5.0, 10.0)  # the outliers of its spectra
LABELLED = (2.0, 2.5, 10 / 3, 5.0, 10.0)  # with multiplication's, which its figures name too
MULTIPLICATION_PERIODS = (10 / 3,)  # beside these in figure 16
MLP_PERIODS, ATTENTION_PERIODS = (2.0,), (5.0, 10.0)  # what figure 2 shows of one MLP, and of one attention
