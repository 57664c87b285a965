"""The PyTorch side of a speed comparison, driven line by line so that rounds of two programs can be interleaved.

    python torch_peer.py infer DIR TEXTS.jsonl --batch 32 --threads 2 --batches 40
    python torch_peer.py train DIR TEXTS.jsonl --batch 32 --threads 2 --batches 20

DIR is a Hugging Face directory; TEXTS.jsonl has a "text" in each row and, for training, a "label" name or index where
known. Texts are tokenised before the clock starts, sorted by length, cut into batches and padded to the longest of each
batch; `--batches N` keeps N of them, evenly spread over the lengths. f32, sdpa attention.

  infer  one forward pass over every batch, eval mode, no gradient
  train  forward, backward and AdamW (all parameters, dense gradients) over every batch; dropout on

Protocol: after loading, prints one line
    ready batches <n> samples <n> tokens <n> padded <n> labels <n> torch <version>
(`tokens` without and `padded` with padding). Then for each line "round" on stdin runs one pass and prints
    seconds <s> samples <n> checksum <c>
(infer: sum of the logits; train: sum of the losses). End of input or "quit" ends the program with code 0.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["infer", "train"])
    parser.add_argument("folder")
    parser.add_argument("texts")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=0, help="how many batches a round runs; 0 = all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--labels", type=int, default=0, help="outputs of a new head; 0 = as the directory says")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=2e-5)
    parser.add_argument("--warmup", type=int, default=1, help="batches run before `ready`, outside of every round")
    return parser.parse_args()


def load_model(args):
    extra = {"num_labels": args.labels} if args.labels else {}
    model = AutoModelForSequenceClassification.from_pretrained(
        args.folder, dtype=torch.float32, attn_implementation="sdpa", ignore_mismatched_sizes=True, **extra)
    # Set on the modules, since every family names its rates differently; sdpa reads a plain number.
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = args.dropout
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = args.dropout
    return model.train(args.mode == "train")


def load_batches(args, config):
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    rows = [json.loads(line) for line in Path(args.texts).read_text(encoding="utf-8").splitlines() if line.strip()]
    label2id = {n: i for i, n in config.id2label.items()}

    def label(i, row):
        value = row.get("label", i)
        index = label2id.get(value, i) if isinstance(value, str) else int(value)
        return index % config.num_labels  # an unknown label costs the same time

    encoded = tokenizer([r["text"] for r in rows], truncation=True, max_length=args.max_length)["input_ids"]
    order = sorted(range(len(rows)), key=lambda i: (len(encoded[i]), i))
    groups = [order[i : i + args.batch] for i in range(0, len(order), args.batch)]
    if args.batches and args.batches < len(groups):
        step = len(groups) / args.batches
        groups = [groups[int((k + 0.5) * step)] for k in range(args.batches)]
    batches = []
    for group in groups:
        batch = tokenizer.pad({"input_ids": [encoded[i] for i in group]}, padding=True, return_tensors="pt")
        batches.append((dict(batch), torch.tensor([label(i, rows[i]) for i in group])))
    return batches


@torch.inference_mode()
def infer(model, batches):
    return sum(model(**inputs).logits.sum().item() for inputs, _ in batches)


def train(model, batches, optimizer):
    total = 0.0
    for inputs, labels in batches:
        loss = torch.nn.functional.cross_entropy(model(**inputs).logits, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


def main():
    args = arguments()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = load_model(args)
    batches = load_batches(args, model.config)
    if args.mode == "train":
        optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
        run = lambda part: train(model, part, optimizer)  # noqa: E731
    else:
        run = lambda part: infer(model, part)  # noqa: E731
    run(batches[len(batches) // 2 :][: args.warmup])

    samples = sum(len(labels) for _, labels in batches)
    tokens = sum(int(b["attention_mask"].sum()) for b, _ in batches)
    padded = sum(b["input_ids"].numel() for b, _ in batches)
    print(f"ready batches {len(batches)} samples {samples} tokens {tokens} padded {padded} "
          f"labels {model.config.num_labels} torch {torch.__version__}", flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "quit":
            break
        if command != "round":
            sys.exit(f"unknown command {command!r}: expected 'round' or 'quit'")
        start = time.perf_counter()
        checksum = run(batches)
        print(f"seconds {time.perf_counter() - start:.6f} samples {samples} checksum {checksum:.6f}", flush=True)


if __name__ == "__main__":
    main()
