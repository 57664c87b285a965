"""A causal language model of transformers that reads prompts of one length and writes greedily behind them.

The model is a Hugging Face directory, or a GGUF file, which transformers dequantises. With bf16 the weights are bfloat16
(autocast would round them anew in every step). Texts are tokenised one behind the other and cut into prompts of
`--max-length` tokens: nothing is padded, and no text ends a batch early.
"""

import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CHECK_PROMPTS = 4


def open_model(path):
    path = Path(path)
    where, file = (path, {}) if path.is_dir() else (path.parent, {"gguf_file": path.name})
    tokenizer = AutoTokenizer.from_pretrained(where, **file)
    return tokenizer, AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **file).eval()


class Generate:
    def __init__(self, args, texts):
        self.args = args
        tokenizer, self.model = open_model(args.folder)
        ids = [i for text in texts for i in tokenizer(text, add_special_tokens=False)["input_ids"]]
        length, batch = args.max_length, args.batch
        prompts = [ids[i : i + length] for i in range(0, len(ids) - length + 1, length)]
        groups = [prompts[i : i + batch] for i in range(0, len(prompts) - batch + 1, batch)][: args.batches or 1]
        self.batches = [torch.tensor(group) for group in groups]
        self.checked = [torch.tensor([prompt]) for prompt in prompts[:CHECK_PROMPTS]]
        self.vocabulary = self.model.config.vocab_size
        self.write_check("")
        if args.precision == "bf16":
            self.write_check(".f32")
            self.model = self.model.to(torch.bfloat16)
            self.write_check("")
        self.round()

    @torch.inference_mode()
    def write_check(self, suffix):
        if self.args.logits:
            logits = torch.cat([self.model(ids, logits_to_keep=1).logits[:, -1].float() for ids in self.checked])
            with open(self.args.logits + suffix, "wb") as file:
                file.write(logits.contiguous().numpy().astype("<f4").tobytes())

    def counts(self):
        read = sum(ids.numel() for ids in self.batches)
        rows = sum(len(ids) for ids in self.batches)
        return len(self.batches), rows * self.args.new_tokens if self.args.mode == "write" else read, read

    @torch.inference_mode()
    def round(self):
        total, seconds = 0.0, [0.0, 0.0]
        for ids in self.batches:
            start = time.perf_counter()
            out = self.model(ids, use_cache=True, logits_to_keep=1)
            logits = out.logits[:, -1]
            seconds[0] += time.perf_counter() - start
            start = time.perf_counter()
            for _ in range(self.args.new_tokens if self.args.mode == "write" else 0):
                ids = logits.argmax(-1, keepdim=True)
                out = self.model(ids, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
                logits = out.logits[:, -1]
            seconds[1] += time.perf_counter() - start
            total += logits.float().max(-1).values.mean().item()
        return total / len(self.batches), {"timed": seconds[self.args.mode == "write"]}
