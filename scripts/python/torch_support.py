"""What the scripts of the PyTorch side share: texts, models, one forward pass, the optimizer."""

import contextlib
import json
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def read_texts(path, count=0):
    """The first `count` texts (0 = all) with their labels, if they have any."""
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = rows[: count or len(rows)]
    return [row["text"] for row in rows], [row.get("label") for row in rows]


def load_tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


def load_model(folder, dropout, **head):
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", ignore_mismatched_sizes=True, **head)
    set_dropout(model, dropout)
    return model


def set_dropout(model, rate):
    # Set on the modules, since every family names its rates differently; sdpa reads a plain number.
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = rate


def pad(tokenizer, ids):
    """A batch padded to its longest text."""
    return dict(tokenizer.pad({"input_ids": ids}, padding=True, return_tensors="pt"))


def forward(model, inputs, args):
    """Logits in the asked precision."""
    bf16 = torch.autocast("cpu", torch.bfloat16) if args.precision == "bf16" else contextlib.nullcontext()
    with bf16:
        return model(**inputs).logits.float()


def make_optimizer(model, lr):
    """AdamW as transformers' Trainer sets it up: fused, biases and LayerNorm undecayed."""
    plain = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in model.named_parameters() if not (n.endswith("bias") or "LayerNorm" in n)]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def lr_factor(step, steps, warmup_ratio=0.0):
    """Linear warm-up, then linear decay to 0."""
    warmup = -int(-warmup_ratio * steps // 1)  # rounded up
    return step / max(warmup, 1) if step < warmup else (steps - step) / max(steps - warmup, 1)
