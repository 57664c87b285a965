"""Tiny random classifiers of each model family, with the numbers that `transformers` computes for them.

    python make_tiny_models.py ../../crates/faculty-testkit/golden

writes OUT/models/NAME/{config.json,model.safetensors,tokenizer.json,tokenizer_config.json,golden.json,golden.safetensors}
for NAME in bert, distilbert, roberta, xlm-roberta, electra, and the variants bert-sharded, bert-f16, bert-bf16.

Weights, biases and LayerNorm parameters are all random and large, so that a wrong bias, epsilon or activation moves
the result by far more than the tolerance of a parity test; the script checks that (see `sensitivity`).
Golden values: eager attention, eval mode, f32, one thread.
"""

import copy
import json
import math
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertTokenizerFast,
    ElectraConfig,
    ElectraForSequenceClassification,
    ElectraTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaTokenizerFast,
)

from golden_io import quiet_single_thread, versions, write_json, write_tensors

HIDDEN, HEADS, LAYERS, FFN, MAX_LENGTH = 32, 4, 3, 64, 64

# Training text of the tokenizers: enough for a few hundred pieces, with accents, CJK and emoji among them.
SENTENCES = """
what is the balance of my savings account
please transfer 1,250 dollars to my savings account
what is my routing number and where can i find it
pay my bill now, please!
pay my phone bill with my credit card
how do i book a trip to paris for two people
book it now and tell me when it is booked
i want to book a flight to tokyo on monday
wait, what? no one knows the answer (not even me)
who knows what the weather is like in paris today
a naïve question about the café around the corner
the café has a menu à la carte, déjà vu
what does "déjà vu" mean in english
my card was declined at the café, why?
set a timer for 10 minutes - or 15 minutes
turn the lights off in the kitchen, ok?
how many calories are in an apple pie
can you tell me a joke... or two
what time is it in tokyo right now
translate "good morning" into japanese for me
how long is the trip from paris to rome by car
i lost my car keys, what should i do?
is there traffic on the way to work today
how much is $75 in euros
transfer $20.75 from checking to savings
my account number is 12-345-678
please freeze my account as soon as possible
what is the interest rate on my savings account
我要订票 去 東京
今天 天气 怎么样
東京 の 天気 は 我 要
i am happy 🙂 and my car 🚗 is new
thanks 🙂 see you later
WHAT IS THE BALANCE
PAY MY BILL ASAP
Transfer it to my Savings Account
Book It — Now
WHAT IS MY ROUTING NUMBER
MY ROUTING NUMBER - WHAT IS IT
na naïve trip
naïve trip
""".strip().splitlines()

TEXTS = [
    "balance",
    "Café déjà vu, là?",
    "我要订票",
    "Pay my bill 🙂 now!",
    "WHAT IS MY ROUTING NUMBER",
    "wait...  what?!  (no   one)",
    "  Transfer $20.75 to savings  ",
    "naïve 東京 trip — book it 🚀",
]
# Longer than MAX_LENGTH in every tokenizer: its ids are stored truncated.
LONG_TEXT = " ".join(SENTENCES[:14])

LABELS = {
    # Twelve labels: as strings, "10" and "11" sort before "2".
    "bert": ["balance", "transfer", "pay_bill", "routing", "book_flight", "book_hotel",
             "weather", "timer", "calories", "translate", "lost_luggage", "freeze_account"],
    "distilbert": ["negative", "neutral", "positive"],
    "roberta": ["World", "Sports", "Business", "Sci/Tech"],
    "xlm-roberta": ["finance", "voyage", "météo", "料理", "small talk"],
    "electra": ["question", "command", "statement"],
}


def wordpiece(cls, size, **kwargs):
    """BERT-style vocabulary: specials, characters, frequent words, frequent word endings.

    Built by counting, because WordPieceTrainer breaks ties differently in every process.
    """
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words, endings = Counter(), Counter()
    for sentence in SENTENCES:
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(sentence)):
            words[word] += 1
            endings.update(f"##{word[i:]}" for i in range(max(1, len(word) - 4), len(word)))
    letters = sorted({c for word in words for c in word})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = special + letters + [f"##{c}" for c in letters if c.isascii() and c.isalnum()]
    often = sorted(words, key=lambda w: (-words[w] * len(w), w)) + sorted(endings, key=lambda w: (-endings[w], w))
    # Two thirds of the free places for words, the rest for endings.
    free = size - len(pieces)
    kept = [w for w in often if len(w) > 1 and not w.startswith("##")][: free * 2 // 3]
    kept += [w for w in often if w.startswith("##") and len(w) > 3]
    pieces = list(dict.fromkeys(pieces + kept))[:size]
    return cls(vocab={piece: i for i, piece in enumerate(pieces)}, **kwargs)


def byte_bpe(size):
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.train_from_iterator(SENTENCES, trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    state = json.loads(trained.to_str())["model"]
    return RobertaTokenizerFast(vocab=state["vocab"], merges=[tuple(m) for m in state["merges"]],
                                model_max_length=MAX_LENGTH)


def unigram(size):
    """SentencePiece-style pieces with log-frequency scores; counted, as UnigramTrainer too differs between processes."""
    counts = Counter()
    for word in (f"▁{w}" for sentence in SENTENCES for w in sentence.split()):
        counts.update(word[i:j] for i in range(len(word)) for j in range(i + 1, len(word) + 1))
    letters = sorted({c for sentence in SENTENCES for c in sentence if not c.isspace()} | {"▁"})
    longer = sorted((p for p in counts if len(p) > 1 and counts[p] > 1), key=lambda p: (-counts[p] * (len(p) - 1), p))
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = longer[: size - len(letters) - len(special) - 1] + letters
    total = sum(counts[p] for p in pieces)
    scored = sorted(((p, round(math.log(counts[p] / total), 4)) for p in pieces), key=lambda s: (-s[1], s[0]))
    # No model_max_length: transformers then writes its 1e30 placeholder, as the published XLM-R checkpoints have it,
    # and the position table is what limits the length.
    return XLMRobertaTokenizerFast(vocab=[(t, 0.0) for t in special] + scored + [("<mask>", 0.0)])


def common(name, tokenizer, rows=None):
    names = LABELS[name]
    return dict(
        vocab_size=rows or len(tokenizer),
        id2label=dict(enumerate(names)),
        label2id={n: i for i, n in enumerate(names)},
    )


def bert_like(**extra):
    return dict(hidden_size=HIDDEN, num_attention_heads=HEADS, num_hidden_layers=LAYERS, intermediate_size=FFN, **extra)


def families():
    """name -> (model class, config, tokenizer)"""
    bert_tok = wordpiece(BertTokenizerFast, 300, model_max_length=MAX_LENGTH)
    bert = BertConfig(**common("bert", bert_tok), **bert_like(max_position_embeddings=MAX_LENGTH, layer_norm_eps=1e-12))

    # Like published MiniLM files, this tokenizer.json has padding to a fixed length and truncation baked in: a loader
    # must override both.
    distil_tok = wordpiece(DistilBertTokenizerFast, 280, model_max_length=MAX_LENGTH)
    distil = DistilBertConfig(**common("distilbert", distil_tok), dim=HIDDEN, n_heads=HEADS, n_layers=LAYERS,
                              hidden_dim=FFN, max_position_embeddings=MAX_LENGTH)

    roberta_tok = byte_bpe(430)
    roberta = RobertaConfig(**common("roberta", roberta_tok), **bert_like(
        max_position_embeddings=MAX_LENGTH + 2, type_vocab_size=1, layer_norm_eps=1e-5))

    xlm_tok = unigram(300)
    xlm = XLMRobertaConfig(**common("xlm-roberta", xlm_tok), **bert_like(
        max_position_embeddings=MAX_LENGTH + 2, type_vocab_size=1, layer_norm_eps=1e-5))

    # The embedding table has more rows than the tokenizer has tokens (padded to a multiple of 64), as often published.
    electra_tok = wordpiece(ElectraTokenizerFast, 240, model_max_length=MAX_LENGTH)
    electra = ElectraConfig(**common("electra", electra_tok, rows=-(-len(electra_tok) // 64) * 64), embedding_size=20,
                            hidden_act="gelu", **bert_like(max_position_embeddings=MAX_LENGTH))
    return {
        "bert": (BertForSequenceClassification, bert, bert_tok),
        "distilbert": (DistilBertForSequenceClassification, distil, distil_tok),
        "roberta": (RobertaForSequenceClassification, roberta, roberta_tok),
        "xlm-roberta": (XLMRobertaForSequenceClassification, xlm, xlm_tok),
        "electra": (ElectraForSequenceClassification, electra, electra_tok),
    }


def randomise(model, seed):
    """Every parameter away from its default: matrices and biases N(0, 0.2), LayerNorm weights 1 + N(0, 0.2)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            p.copy_(torch.randn(p.shape, generator=generator) * 0.2)
            if "norm" in name.lower() and name.endswith("weight"):
                p.add_(1.0)


def eager(model):
    model.set_attn_implementation("eager")
    return model.eval()


def batch(rows, pad_id, side):
    """Padded ids and mask of id lists; no tokenizer involved, so that the padding side is exactly what is said."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for r, row in enumerate(rows):
        at = slice(0, len(row)) if side == "right" else slice(width - len(row), width)
        ids[r, at] = torch.tensor(row)
        mask[r, at] = 1
    return ids, mask


def head(model, states):
    """The classification head on the last hidden states; every head reads column 0 only."""
    if hasattr(model, "bert"):
        return model.classifier(model.bert.pooler(states))
    if hasattr(model, "distilbert"):
        return model.classifier(torch.relu(model.pre_classifier(states[:, 0])))
    return model.classifier(states)


@torch.no_grad()
def golden_tensors(model, rows, pad_id, types, sides=("right", "left")):
    out = {}
    for side in sides:
        ids, mask = batch(rows, pad_id, side)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if types:
            inputs["token_type_ids"] = torch.zeros_like(ids)
        result = model(**inputs, output_hidden_states=True)
        suffix = "" if side == "right" else ".left"
        out.update({k + suffix: v for k, v in inputs.items()})
        out["logits" + suffix] = result.logits
        # All heads take column 0. Under left padding that is a pad position, so `logits.left`, what transformers
        # returns, describes no text; `logits.left.first_token` is the same head on each row's first real token.
        last, first = result.hidden_states[-1], mask.argmax(dim=1)
        moved = head(model, last[torch.arange(len(rows)), first][:, None])
        if side == "left":
            out["logits.left.first_token"] = moved
        else:
            assert torch.allclose(moved, result.logits, atol=1e-6)
        # transformers 5 taps the ELECTRA embeddings after `embeddings_project`, the input of the first block.
        assert len(result.hidden_states) == LAYERS + 1
        for i, h in enumerate(result.hidden_states):
            assert h.shape[-1] == HIDDEN
            # Pad positions carry no meaning: zeroed here so that no test can depend on them.
            out[f"hidden_states.{i}{suffix}"] = h * mask[..., None]
    for i, row in enumerate(rows):
        out[f"single.{i}.logits"] = model(input_ids=torch.tensor([row])).logits
    return out


@torch.no_grad()
def sensitivity(name, model, rows, pad_id):
    """Smallest change of any hidden state or logit under typical porting mistakes; all must be far above 1e-5."""
    ids, mask = batch(rows, pad_id, "right")

    def run(m, **kw):
        r = m(input_ids=ids, attention_mask=kw.pop("mask", mask), output_hidden_states=True, **kw)
        keep = mask[..., None].bool()
        return torch.cat([r.logits.flatten()] + [h.masked_select(keep) for h in r.hidden_states])

    base, report = run(model), {}

    def mistake(what, change):
        other = copy.deepcopy(model)
        change(other)
        report[what] = float((run(other) - base).abs().max())

    def norms(m, f):
        for mod in m.modules():
            if isinstance(mod, torch.nn.LayerNorm):
                f(mod)

    wrong = 1e-5 if norm_eps(model) < 1e-6 else 1e-12
    mistake(f"layer norm epsilon {wrong}", lambda m: norms(m, lambda n: setattr(n, "eps", wrong)))
    mistake("layer norm bias 0", lambda m: norms(m, lambda n: n.bias.zero_()))

    def tanh_gelu(m):
        for mod in list(m.modules()):
            for attr in ("activation", "intermediate_act_fn"):
                if hasattr(mod, attr) and "gelu" in type(getattr(mod, attr)).__name__.lower():
                    setattr(mod, attr, torch.nn.GELU(approximate="tanh"))
    mistake("tanh gelu", tanh_gelu)
    for what, key in [("key bias 0 (must not matter)", "key.bias"), ("value bias 0", "value.bias")]:
        key = {"key.bias": "k_lin.bias", "value.bias": "v_lin.bias"}[key] if name == "distilbert" else key
        mistake(what, lambda m: [p.zero_() for n, p in m.named_parameters() if n.endswith(key)])
    report["mask ignored"] = float((run(model, mask=torch.ones_like(mask)) - base).abs().max())
    if name == "electra":
        with torch.no_grad():
            mistake("projection bias 0", lambda m: m.electra.embeddings_project.bias.zero_())
    for what, size in report.items():
        assert ("must not matter" in what) == (size < 1e-4), (name, what, size)
    return report


def norm_eps(model):
    return next(m.eps for m in model.modules() if isinstance(m, torch.nn.LayerNorm))


def bake_padding(folder):
    """Adds fixed-length padding and truncation to a saved tokenizer.json."""
    fast = Tokenizer.from_file(str(folder / "tokenizer.json"))
    fast.enable_padding(length=24, pad_id=0, pad_token="[PAD]")
    fast.enable_truncation(max_length=16)
    fast.save(str(folder / "tokenizer.json"))


def saved_ids(folder):
    """Ids of TEXTS from the files as written; both readers must agree, since others read tokenizer.json alone."""
    auto = AutoTokenizer.from_pretrained(folder)
    bare = Tokenizer.from_file(str(folder / "tokenizer.json"))
    bare.no_padding()
    bare.no_truncation()
    rows = [auto(t)["input_ids"] for t in TEXTS]
    assert rows == [bare.encode(t).ids for t in TEXTS], f"{folder.name}: tokenizer.json and AutoTokenizer differ"
    full = bare.encode(LONG_TEXT).ids
    bare.enable_truncation(MAX_LENGTH)
    cut = auto(LONG_TEXT, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    assert cut == bare.encode(LONG_TEXT).ids and len(full) > MAX_LENGTH == len(cut)
    return auto, rows, full, cut


def write_golden(folder, name, model, sides=("right", "left"), checked=True):
    auto, rows, full, cut = saved_ids(folder)
    types = "token_type_ids" in auto.model_input_names and hasattr(model.config, "type_vocab_size")
    pad = model.config.pad_token_id
    assert auto.pad_token_id == pad
    write_tensors(folder / "golden.safetensors", golden_tensors(model, rows, pad, types, sides))
    write_json(folder / "golden.json", {
        "VERSIONS": versions(),
        "labels": LABELS[name],
        "pad_token_id": pad,
        "max_length": MAX_LENGTH,
        "texts": TEXTS,
        "input_ids": rows,
        "tokens": [auto.convert_ids_to_tokens(r) for r in rows],
        "long_text": {"text": LONG_TEXT, "length": len(full), "input_ids": cut},
        "sensitivity": sensitivity(name, model, rows, pad) if checked else {},
    })
    lengths = [len(r) for r in rows]
    print(f"{folder.name:13} vocab {len(auto)}/{model.config.vocab_size} lengths {lengths} "
          f"{sum(f.stat().st_size for f in folder.iterdir()) // 1000} KB")


def main(out):
    quiet_single_thread()
    root = Path(out) / "models"
    for seed, (name, (cls, config, tokenizer)) in enumerate(families().items()):
        folder = root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model = cls(config)
        randomise(model, 1000 + seed)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if name == "distilbert":
            bake_padding(folder)
        model = eager(AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32))
        write_golden(folder, name, model)
    variants(root)


def variants(root):
    """The BERT model again: in shards, and in the two half-precision formats."""
    source = root / "bert"
    weights = load_file(str(source / "model.safetensors"))
    for name in ("bert-sharded", "bert-f16", "bert-bf16"):
        folder = root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for f in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(source / f, folder / f)
    folder = root / "bert-sharded"
    model = eager(AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32))
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, max_shard_size="60KB")
        for f in Path(scratch).glob("model*"):
            shutil.copy(f, folder / f.name)
    assert len(list(folder.glob("model-*.safetensors"))) >= 2
    # Equal weights, hence the values of `bert`: right padding is enough.
    write_golden(folder, "bert", eager(AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)),
                 sides=("right",), checked=False)
    for name, dtype in (("bert-f16", torch.float16), ("bert-bf16", torch.bfloat16)):
        folder = root / name
        save_file({k: v.to(dtype) for k, v in weights.items()}, str(folder / "model.safetensors"), metadata={"format": "pt"})
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["dtype"] = str(dtype).removeprefix("torch.")
        (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        # Stored rounded, computed in f32.
        model = eager(AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32))
        write_golden(folder, "bert", model, sides=("right",), checked=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
