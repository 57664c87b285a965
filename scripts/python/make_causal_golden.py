"""Tiny random causal language models of transformers, with logits of padded rows and of greedy continuations.

    python make_causal_golden.py ../../crates/faculty-testkit/golden

writes OUT/causal/NAME/{config.json, model.safetensors, tokenizer.json, ...} and OUT/causal/NAME/golden.json for a Llama with
grouped keys and values, one with an output layer of its own, and a GPT-2; the first also as OUT/causal/llama.gguf (F32), with
its tokenizer inside.
"""

import json
import sys
from pathlib import Path

import torch
from gguf import GGUFWriter, TokenType
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from golden_io import quiet_single_thread, versions, write_json

TEXTS = ["what is my balance", "book a flight to the 12 islands", "play it", "żółw: a tortoise, in 2 words!"]


def tokenizer():
    """Byte-level BPE with single digits, as SmolLM2 has it, learnt from a few lines."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(TEXTS * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>")


def build(name, vocabulary):
    torch.manual_seed(5)
    if name == "gpt2":
        config = GPT2Config(vocab_size=vocabulary, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2)
        model = GPT2LMHeadModel(config)
    else:
        config = LlamaConfig(
            vocab_size=vocabulary, hidden_size=32, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64, rope_theta=5000.0, rms_norm_eps=1e-5,
            tie_word_embeddings=name == "llama", bos_token_id=1, eos_token_id=2,
        )
        model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Fresh weights hardly mix tokens; norms away from 1.
            parameter.mul_(6.0) if parameter.dim() > 1 else parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def golden(model, words):
    ids = [words.encode(text, add_special_tokens=False) for text in TEXTS]
    longest = max(map(len, ids))
    padded = torch.tensor([[0] * (longest - len(row)) + row for row in ids])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model(input_ids=padded, attention_mask=mask, position_ids=positions).logits
        greedy = []
        for row in ids:
            row = list(row)
            for _ in range(8):
                row.append(int(model(input_ids=torch.tensor([row])).logits[0, -1].argmax()))
            greedy.append(row[-8:])
    last = [logits[row, -1].tolist() for row in range(len(ids))]
    first = [logits[row, longest - len(ids[row])].tolist() for row in range(len(ids))]
    return {"versions": versions(), "texts": TEXTS, "ids": ids, "first_logits": first, "last_logits": last, "greedy": greedy}


def write_gguf(path, model, words):
    """As llama.cpp converts it: rows of queries and keys so that pairs that turn together are neighbours."""
    config = model.config
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(5000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    stored = json.loads(words.backend_tokenizer.to_str())
    vocabulary = sorted(stored["model"]["vocab"].items(), key=lambda item: item[1])
    special = {token["id"] for token in stored["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([TokenType.CONTROL if at in special else TokenType.NORMAL for _, at in vocabulary])
    writer.add_token_merges([" ".join(merge) for merge in stored["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, values in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        if name.startswith("model.layers."):
            _, _, index, part = name.split(".", 3)
            own = names[part.removesuffix(".weight")]
            if own in heads:
                rows, columns = values.shape
                values = values.reshape(heads[own], 2, rows // heads[own] // 2, columns).swapaxes(1, 2).reshape(rows, columns)
            own = f"blk.{index}.{own}.weight"
        else:
            own = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]
        writer.add_tensor(own, values.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(out):
    quiet_single_thread()
    words = tokenizer()
    for name in ["llama", "llama-untied", "gpt2"]:
        model = build(name, len(words))
        folder = out / "causal" / name
        folder.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(folder)
        words.save_pretrained(folder)
        write_json(folder / "golden.json", golden(model, words))
        if name == "llama":
            write_gguf(out / "causal" / "llama.gguf", model, words)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
