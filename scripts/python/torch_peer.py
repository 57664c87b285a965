"""The PyTorch side of a speed comparison, driven line by line so that rounds of two programs can be interleaved.

    python torch_peer.py infer DIR TEXTS.jsonl --batch 32 --batches 40 --order random --precision bf16 --threads 2
    python torch_peer.py muki STUDENT TEXTS.jsonl --texts-count 4000 --teacher DIR --teacher DIR --test TEST.jsonl

DIR is a Hugging Face directory; TEXTS.jsonl has a "text" in each row. `faculty bench-peer` takes the same arguments.

  infer  one forward pass over every batch, eval mode, no gradient
  train  forward, backward and AdamW (all parameters, dense gradients, linear decay to 0) over every batch; dropout on;
         the class of text i is i modulo the number of labels
  scan   16 Monte-Carlo dropout passes and one deterministic pass over all texts (torch_muki.py)
  muki   a whole MUKI run: scan of all teachers, one epoch of student training, evaluation on a quarter as many labelled
         texts (torch_muki.py)
  read   a causal language model reads prompts of --max-length tokens (torch_generate.py; DIR may be a GGUF file)
  write  the same writes --new-tokens tokens behind each, greedily, with its cache; reading is not timed

Order of the texts: `given`, `sorted` by length, or `random` (`permutation` below). They are then cut into batches, each
padded to its own longest text: dynamic padding. `--batches N` keeps N batches: evenly spread over the lengths if sorted,
else the first. infer and train tokenise and pad before the clock starts, scan and muki while it runs.

Precision bf16 is `torch.autocast("cpu", torch.bfloat16)` around every forward pass. Attention is sdpa, AdamW the fused one:
what transformers' Trainer takes by default.

Protocol: after loading, prints one line
    ready batches <n> samples <n> tokens <n> padded <n> labels <n> torch <version> transformers <version>
(`tokens` without and `padded` with padding). Then for each line "round" on stdin runs one pass and prints
    seconds <s> samples <n> checksum <c> [<phase> <seconds> ...]
(infer: sum of the logits; train: mean loss of every tenth step and the last one; scan: mean score; muki: accuracy; read and write: mean of the largest logits,
`samples` being tokens). End of input or "quit" ends the program.

`--logits FILE` writes, before `ready`, f32 logits of the first 64 texts for the check of equal outputs; train first takes
three steps without dropout, on a copy of the model. With bf16, FILE.f32 has what the same program computes in f32.
"""

import argparse
import copy
import sys
import time

import torch
import transformers
from torch_generate import Generate
from torch_muki import Muki, Scan
from torch_support import forward, load_model, load_tokenizer, lr_factor, make_optimizer, pad, read_texts, set_dropout

CHECK_TEXTS = 64
CHECK_STEPS = 3
LOG_EVERY = 10  # the other side reads its loss at these steps and at the last one


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["infer", "train", "scan", "muki", "read", "write"])
    parser.add_argument("folder")
    parser.add_argument("texts")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=0, help="how many batches a round runs; 0 = all")
    parser.add_argument("--texts-count", type=int, default=0, help="read so many texts; 0 = all")
    parser.add_argument("--order", choices=["given", "sorted", "random"], default="sorted")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=2e-5)
    parser.add_argument("--logits", help="where to write logits for the check")
    parser.add_argument("--new-tokens", type=int, default=32, help="write: tokens behind every prompt")
    parser.add_argument("--teacher", action="append", default=[], help="muki: a teacher's directory")
    parser.add_argument("--test", help="muki: labelled texts to measure on")
    return parser.parse_args()


def permutation(count):
    """A fixed random order of 0..count: Fisher-Yates driven by Knuth's 64-bit linear congruential generator."""
    order, state = list(range(count)), 1
    for last in range(count - 1, 0, -1):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        other = (state >> 33) % (last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def cut(args, lengths):
    """The rows of each batch."""
    order = list(range(len(lengths)))
    if args.order == "sorted":
        order.sort(key=lambda i: (lengths[i], i))
    elif args.order == "random":
        order = permutation(len(lengths))
    groups = [order[i : i + args.batch] for i in range(0, len(order), args.batch)]
    if args.batches and args.batches < len(groups):
        step = len(groups) / args.batches if args.order == "sorted" else 1
        groups = [groups[int((k + 0.5) * step)] for k in range(args.batches)]
    return groups


class Infer:
    def __init__(self, args, model, batches):
        self.args, self.model, self.batches = args, model.eval(), batches
        self.round(batches[len(batches) // 2 :][:1])

    @torch.inference_mode()
    def round(self, batches=None):
        sums = [forward(self.model, inputs, self.args).sum().item() for inputs, _ in batches or self.batches]
        return sum(sums), {}


class Train:
    def __init__(self, args, model, batches):
        self.args, self.model, self.batches = args, model.train(), batches
        self.optimizer = make_optimizer(model, args.lr)
        self.round(batches[len(batches) // 2 :][:1])

    def round(self, batches=None):
        batches = batches or self.batches
        logged = []
        for step, (inputs, classes) in enumerate(batches):
            for group in self.optimizer.param_groups:
                group["lr"] = self.args.lr * lr_factor(step, len(batches))
            loss = torch.nn.functional.cross_entropy(forward(self.model, inputs, self.args), classes)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            if (step + 1) % LOG_EVERY == 0 or step + 1 == len(batches):
                logged.append(loss.item())
        return sum(logged) / len(logged), {}


def write_check(args, model, encoded, tokenizer, batches):
    """Logits of the first texts; in train mode of a copy that took a few steps without dropout."""
    model = copy.deepcopy(model)
    if args.mode == "train":
        set_dropout(model, 0.0)
        trainer = Train.__new__(Train)
        trainer.args, trainer.model, trainer.optimizer = args, model.train(), make_optimizer(model, args.lr)
        trainer.round(batches[:CHECK_STEPS])
    model.eval()
    rows = [pad(tokenizer, encoded[i : min(i + 16, CHECK_TEXTS)]) for i in range(0, min(len(encoded), CHECK_TEXTS), 16)]
    with torch.inference_mode():
        logits = torch.cat([forward(model, inputs, args).float() for inputs in rows])
    with open(args.logits, "wb") as file:
        file.write(logits.contiguous().numpy().astype("<f4").tobytes())


def main():
    args = arguments()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    texts, labels = read_texts(args.texts, args.texts_count)
    if args.mode in ("read", "write"):
        work = Generate(args, texts)
        classes = work.vocabulary
        batches, samples, tokens = work.counts()
        padded = tokens
    else:
        tokenizer = load_tokenizer(args.folder)
        encoded = tokenizer(texts, truncation=True, max_length=args.max_length)["input_ids"]
        lengths = [len(ids) for ids in encoded]
        groups = cut(args, lengths)
        if args.mode == "muki":
            work = Muki(args, texts, *read_texts(args.test, -(-len(texts) // 4)))
            classes = len(work.union)
        else:
            model = load_model(args.folder, args.dropout)
            classes = model.config.num_labels
            batches = [(pad(tokenizer, [encoded[i] for i in rows]), torch.tensor([i % classes for i in rows])) for rows in groups]
            if args.logits:
                write_check(args, model, encoded, tokenizer, batches)
                if args.precision == "bf16":
                    plain = argparse.Namespace(**{**vars(args), "precision": "f32", "logits": args.logits + ".f32"})
                    write_check(plain, model, encoded, tokenizer, batches)
            if args.mode == "scan":
                work = Scan(args, model, tokenizer, texts)
            else:
                work = (Train if args.mode == "train" else Infer)(args, model, batches)
        batches = len(groups)
        samples = sum(len(rows) for rows in groups)
        tokens = sum(lengths[i] for rows in groups for i in rows)
        padded = sum(len(rows) * max(lengths[i] for i in rows) for rows in groups)
    print(f"ready batches {batches} samples {samples} tokens {tokens} padded {padded} labels {classes} "
          f"torch {torch.__version__} transformers {transformers.__version__}", flush=True)
    for line in sys.stdin:
        command = line.strip()
        if command == "quit":
            break
        if command != "round":
            sys.exit(f"unknown command {command!r}: expected 'round' or 'quit'")
        start = time.perf_counter()
        checksum, phases = work.round()
        seconds = phases.pop("timed", time.perf_counter() - start)
        parts = "".join(f" {name} {value:.6f}" for name, value in phases.items())
        print(f"seconds {seconds:.6f} samples {samples} checksum {checksum:.6f}{parts}", flush=True)


if __name__ == "__main__":
    main()
