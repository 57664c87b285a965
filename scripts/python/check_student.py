"""Opens a student directory with transformers and compares its logits with those that Faculty wrote.

    faculty predict --model DIR --text TEXTS.jsonl --out LOGITS.jsonl --logits
    python check_student.py DIR TEXTS.jsonl LOGITS.jsonl

TEXTS.jsonl has a "text" in each row; LOGITS.jsonl has {"label", "score", "logits"} in the same order. Prints the largest
absolute difference of the logits and whether label names and scores agree. Exit code 1 if the logits differ by more
than 1e-5 or anything else disagrees, 0 otherwise.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TOLERANCE = 1e-5
BATCH = 32


def read(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def limit(tokenizer, config):
    """Longest input: the tokenizer's limit or the position table, whichever is smaller."""
    rows = config.max_position_embeddings
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        rows -= config.pad_token_id + 1  # positions start after the padding index
    return min(tokenizer.model_max_length, rows)


@torch.no_grad()
def main(folder, texts_path, logits_path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # `output_loading_info` makes a silently initialised or ignored weight visible.
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    model.eval()
    failures = [f"{kind}: {sorted(info[kind])}" for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
                if info.get(kind)]

    names = [model.config.id2label[i] for i in range(model.config.num_labels)]
    if model.config.label2id != {n: i for i, n in enumerate(names)}:
        failures.append("label2id is not the inverse of id2label")

    texts, theirs = [r["text"] for r in read(texts_path)], read(logits_path)
    if len(texts) != len(theirs):
        sys.exit(f"{len(texts)} texts but {len(theirs)} rows of logits")
    if not texts:
        sys.exit(f"{texts_path}: no texts")

    ours = []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(texts[start : start + BATCH], padding=True, truncation=True,
                          max_length=limit(tokenizer, model.config), return_tensors="pt")
        ours.append(model(**batch).logits)
    ours = torch.cat(ours).double()
    widths = {len(r["logits"]) for r in theirs}
    if widths != {len(names)}:
        sys.exit(f"the model has {len(names)} labels, the rows have {sorted(widths)} logits")
    given = torch.tensor([r["logits"] for r in theirs], dtype=torch.float64)

    gap = (ours - given).abs().max().item()
    if not gap <= TOLERANCE:  # also true for NaN
        failures.append(f"logits differ by {gap:.3g}, allowed {TOLERANCE:g}")
    # Against the label that follows from the row's own logits: a tie within rounding is no disagreement.
    wrong = [i for i, r in enumerate(theirs) if r["label"] != names[int(given[i].argmax())]]
    if wrong:
        failures.append(f"{len(wrong)} labels disagree with id2label, first at row {wrong[0]}: "
                        f"{theirs[wrong[0]]['label']!r}, expected {names[int(given[wrong[0]].argmax())]!r}")
    score_gap = max(abs(r["score"] - float(p)) for r, p in zip(theirs, ours.softmax(-1).max(-1).values))
    if not score_gap <= TOLERANCE:
        failures.append(f"scores are not the largest softmax probability: off by {score_gap:.3g}")

    print(f"texts                {len(texts)}")
    print(f"labels               {len(names)}, names {'agree' if not wrong else 'DISAGREE'}")
    print(f"max |logit diff|     {gap:.3g}")
    print(f"max |score diff|     {score_gap:.3g}")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
