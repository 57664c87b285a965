"""Tiny random masked language models with the logits of `transformers`, and one generator step of MATE-KD.

    python make_masked_lm_golden.py ../../crates/faculty-testkit/golden

writes OUT/masked-lm/NAME/{config.json,model.safetensors,tokenizer.json,tokenizer_config.json,golden.safetensors} for NAME in
bert, distilbert, roberta, electra, and OUT/masked-lm/mate-kd.{json,safetensors} with its models in OUT/masked-lm/{teacher,student}.

The step: soft cross-entropy between teacher and student on the straight-through text, through both, ascended by AdamW at 5e-7
after clipping to norm 5 (huawei-noah/Efficient-NLP, MATE-KD), written from its description; dropout 0.
"""

import shutil
import sys
from pathlib import Path

import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    DistilBertForMaskedLM,
    ElectraForMaskedLM,
    RobertaForMaskedLM,
)

from golden_io import quiet_single_thread, versions, write_json, write_tensors
from make_tiny_models import TEXTS, batch, eager, families, randomise

CLASSES = {
    "bert": BertForMaskedLM,
    "distilbert": DistilBertForMaskedLM,
    "roberta": RobertaForMaskedLM,
    "electra": ElectraForMaskedLM,
}
TAKEN = TEXTS[3:7]
GAIN = 24.0


def one_layer(config):
    setattr(config, "n_layers" if config.model_type == "distilbert" else "num_hidden_layers", 1)
    return config


def plain(config):
    """Without what belongs to classifiers."""
    config.id2label, config.label2id = {0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}
    return one_layer(config)


@torch.no_grad()
def logits(model, tokenizer):
    rows = [tokenizer(text)["input_ids"] for text in TAKEN]
    # Every third token that is not special is hidden.
    positions, masked = [], []
    for r, row in enumerate(rows):
        row = list(row)
        for t in range(1, len(row) - 1):
            if (r + t) % 3 == 0:
                positions.append([r, t])
                row[t] = tokenizer.mask_token_id
        masked.append(row)
    ids, mask = batch(masked, tokenizer.pad_token_id, "right")
    found = model(input_ids=ids, attention_mask=mask).logits
    at = torch.tensor(positions)
    return {"input_ids": ids, "attention_mask": mask, "positions": at, "logits": found[at[:, 0], at[:, 1]]}


def masked_models(root):
    for seed, (name, (_, config, tokenizer)) in enumerate(families().items()):
        if name not in CLASSES:
            continue
        folder = root / name
        folder.mkdir()
        model = CLASSES[name](plain(config))
        randomise(model, 2000 + seed)
        model.tie_weights()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        model = eager(AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32))
        write_tensors(folder / "golden.safetensors", logits(model, tokenizer))
        print(name, sum(f.stat().st_size for f in folder.iterdir()) // 1000, "KB")


def classifier(folder, tokenizer, seed, layers):
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_attention_heads=2, num_hidden_layers=layers,
                        intermediate_size=32, max_position_embeddings=64, hidden_dropout_prob=0.0,
                        attention_probs_dropout_prob=0.0, id2label={0: "a", 1: "b", 2: "c"},
                        label2id={"a": 0, "b": 1, "c": 2})
    model = BertForSequenceClassification(config)
    randomise(model, seed)
    with torch.no_grad():
        # Opinions that differ between texts, so that the clipping of gradients has something to do.
        model.bert.embeddings.word_embeddings.weight.mul_(5.0)
        model.bert.pooler.dense.weight.mul_(3.0)
        model.classifier.weight.mul_(GAIN)
    folder.mkdir()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return eager(BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32))


def embedded(model, words, mask):
    """The classifier from word embeddings; BERT adds positions, types and LayerNorm itself."""
    return model(inputs_embeds=words, attention_mask=mask).logits


def mate_kd_step(root):
    _, _, tokenizer = families()["bert"]
    generator = eager(BertForMaskedLM.from_pretrained(root / "bert", dtype=torch.float32))
    teacher = classifier(root / "teacher", tokenizer, 3000, 1)
    student = classifier(root / "student", tokenizer, 3001, 1)
    clean = [tokenizer(text)["input_ids"] for text in TAKEN]
    hidden = [[t for t in range(1, len(row) - 1) if (r + t) % 3 == 0] for r, row in enumerate(clean)]
    masked = [[tokenizer.mask_token_id if t in hidden[r] else i for t, i in enumerate(row)] for r, row in enumerate(clean)]
    ids, keep = batch(masked, tokenizer.pad_token_id, "right")
    at = torch.tensor([[r, t] for r, row in enumerate(hidden) for t in row])
    uniform = torch.rand(len(at), len(tokenizer), generator=torch.Generator().manual_seed(4000))
    noise = -torch.log(-torch.log(uniform + 1e-20) + 1e-20)

    scores = generator(input_ids=ids, attention_mask=keep).logits[at[:, 0], at[:, 1]]
    y = torch.softmax(torch.log_softmax(scores, -1) + noise, -1)
    tokens = y.argmax(-1)
    v = torch.nn.functional.one_hot(tokens, len(tokenizer)) - y.detach() + y

    def logits_of(model):
        table = model.bert.embeddings.word_embeddings.weight.detach()
        words = table[ids].clone()
        words[at[:, 0], at[:, 1]] = v @ table
        return embedded(model, words, keep)

    p_t = torch.softmax(logits_of(teacher), -1)
    soft_ce = -(p_t * torch.log_softmax(logits_of(student), -1)).sum(-1).mean()
    loss = -soft_ce
    loss.backward()
    named = dict(generator.named_parameters())
    gradients = {k: p.grad.clone() for k, p in named.items() if p.grad is not None}
    before = {k: p.detach().clone() for k, p in named.items()}
    decayed = [p for k, p in named.items() if not any(part in k for part in ("bias", "LayerNorm.weight"))]
    others = [p for k, p in named.items() if any(part in k for part in ("bias", "LayerNorm.weight"))]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                                  lr=5e-7)
    norm = torch.nn.utils.clip_grad_norm_(generator.parameters(), 5.0)
    optimizer.step()
    kept = ["cls.predictions.transform.dense.weight", "cls.predictions.bias", "bert.embeddings.word_embeddings.weight",
            "bert.encoder.layer.0.attention.self.query.weight", "bert.encoder.layer.0.output.dense.bias"]
    tensors = {"input_ids": ids, "positions": at, "noise": noise}
    for name in kept:
        tensors[f"gradient.{name}"] = gradients[name]
        tensors[f"after.{name}"] = named[name].detach()
        assert (named[name] - before[name]).abs().max() > 0
    write_tensors(root / "mate-kd.safetensors", tensors)
    write_json(root / "mate-kd.json", {
        "VERSIONS": versions(),
        "texts": TAKEN,
        "clean": clean,
        "tokens": tokens.tolist(),
        "soft_cross_entropy": soft_ce.item(),
        "gradient_norm": norm.item(),
    })
    print("soft cross-entropy", soft_ce.item(), "norm", norm.item(), "hidden", len(at))


def main(out):
    quiet_single_thread()
    root = Path(out) / "masked-lm"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    masked_models(root)
    mate_kd_step(root)


if __name__ == "__main__":
    main(sys.argv[1])
