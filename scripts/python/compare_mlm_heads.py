"""How well masked language models find hidden tokens of other texts, asked by transformers: python compare_mlm_heads.py DATA HEAD...

DATA is the folder of data folders (see docs/data.md); every HEAD a directory that `faculty mlm-head` wrote. 400 texts of each data
set's training split, the same 15 % of their tokens hidden for every head; needs zstd on the path.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer
from transformers.utils import logging

SETS = ["sst2", "ag_news", "trec6", "clinc150", "abstracts5"]
MASK = 103


def read(path):
    lines = subprocess.run(["zstdcat", path], capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line)["t"] for line in lines]


def hide(texts, tokenizer):
    batch = tokenizer(texts, truncation=True, max_length=64, padding=True, return_special_tokens_mask=True, return_tensors="pt")
    drawn = torch.rand(batch.input_ids.shape, generator=torch.Generator().manual_seed(1)) < 0.15
    hidden = drawn & (batch.special_tokens_mask == 0)
    return batch.input_ids, batch.attention_mask, hidden


@torch.no_grad()
def measure(model, ids, attention, hidden):
    nats = found = 0.0
    for at in range(0, len(ids), 50):
        part = slice(at, at + 50)
        logits = model(input_ids=ids[part].masked_fill(hidden[part], MASK), attention_mask=attention[part]).logits
        told, wanted = logits[hidden[part]], ids[part][hidden[part]]
        nats += torch.nn.functional.cross_entropy(told, wanted, reduction="sum").item()
        found += (told.argmax(-1) == wanted).sum().item()
    count = hidden.sum().item()
    return nats / count, 100 * found / count


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    data, heads = Path(sys.argv[1]), sys.argv[2:]
    tokenizer = AutoTokenizer.from_pretrained(heads[0])
    draw = random.Random(1)
    texts = {name: hide(draw.sample(read(data / name / "train.jsonl.zst"), 400), tokenizer) for name in SETS}
    for head in heads:
        model = AutoModelForMaskedLM.from_pretrained(head).eval()
        figures = {name: measure(model, *batch) for name, batch in texts.items()}
        told = ", ".join(f"{name} {nats:.3f} nats {found:.1f} %" for name, (nats, found) in figures.items())
        print(f"{Path(head).name}: {told}", flush=True)


main()
