"""Monte-Carlo dropout scan and MUKI (Li et al., arXiv 2210.05230) as a straightforward PyTorch script.

Teachers: K = 16 passes with dropout on, mean of the probabilities, score = 1 - entropy / log(classes); one deterministic
pass for the targets. Gate: softmax of the scores over the teachers at temperature 0.2; target: the teachers' probabilities
side by side, each times its weight; loss: KL from the target, weighted by the margin between the two best scores. Batches of
32 in the given order (training: shuffled), tokenised on the way and padded to their longest text.
"""

import copy
import math
import time

import torch
from torch_support import forward, load_model, load_tokenizer, lr_factor, make_optimizer

PASSES = 16
GATE_TEMPERATURE = 0.2
WARMUP_RATIO = 0.1


def batches(args, tokenizer, texts, order=None):
    """Row numbers and padded inputs, batch by batch."""
    order = range(len(texts)) if order is None else order
    for start in range(0, len(texts), args.batch):
        rows = list(order[start : start + args.batch])
        inputs = tokenizer([texts[i] for i in rows], truncation=True, max_length=args.max_length, padding=True,
                           return_token_type_ids=False, return_tensors="pt")
        yield rows, inputs


@torch.inference_mode()
def scan(args, model, tokenizer, texts):
    """Scores [texts] and deterministic probabilities [texts, classes] of one teacher."""
    scores, probabilities = [], []
    for _, inputs in batches(args, tokenizer, texts):
        model.eval()
        probabilities.append(forward(model, inputs, args).softmax(-1))
        model.train()  # Switches on every dropout, that of the attention included; BERT has nothing else that it changes.
        mean = sum(forward(model, inputs, args).softmax(-1) for _ in range(PASSES)) / PASSES
        entropy = torch.special.entr(mean).sum(-1)
        scores.append(1 - entropy / math.log(mean.shape[-1]))
    return torch.cat(scores), torch.cat(probabilities)


class Scan:
    def __init__(self, args, model, tokenizer, texts):
        self.args, self.model, self.tokenizer, self.texts = args, model, tokenizer, texts
        scan(args, model, tokenizer, texts[:1])

    def round(self):
        scores, _ = scan(self.args, self.model, self.tokenizer, self.texts)
        return scores.mean().item(), {}


class Muki:
    def __init__(self, args, texts, test_texts, test_labels):
        self.args, self.texts, self.test_texts, self.test_labels = args, texts, test_texts, test_labels
        self.teachers = [(load_model(folder, args.dropout), load_tokenizer(folder)) for folder in args.teacher]
        self.union = [model.config.id2label[i] for model, _ in self.teachers for i in range(model.config.num_labels)]
        self.start = load_model(args.folder, args.dropout, num_labels=len(self.union))
        self.tokenizer = load_tokenizer(args.folder)

    def round(self):
        times = [time.perf_counter()]
        scans = [scan(self.args, model, tokenizer, self.texts) for model, tokenizer in self.teachers]
        scores = torch.stack([scores for scores, _ in scans], 1)
        weights = (scores / GATE_TEMPERATURE).softmax(-1)
        targets = torch.cat([weights[:, i : i + 1] * probabilities for i, (_, probabilities) in enumerate(scans)], 1)
        best = scores.topk(2, 1).values
        margins = best[:, 0] - best[:, 1] + 1e-6
        times.append(time.perf_counter())
        student = self.train(targets, margins)
        times.append(time.perf_counter())
        accuracy = self.evaluate(student)
        times.append(time.perf_counter())
        return accuracy, {name: times[i + 1] - times[i] for i, name in enumerate(["scan", "train", "evaluate"])}

    def train(self, targets, margins):
        student = copy.deepcopy(self.start).train()
        optimizer = make_optimizer(student, self.args.lr)
        steps = math.ceil(len(self.texts) / self.args.batch)
        order = torch.randperm(len(self.texts)).tolist()
        for step, (rows, inputs) in enumerate(batches(self.args, self.tokenizer, self.texts, order)):
            for group in optimizer.param_groups:
                group["lr"] = self.args.lr * lr_factor(step, steps, WARMUP_RATIO)
            target, margin = targets[rows], margins[rows]
            logits = forward(student, inputs, self.args)
            divergence = torch.nn.functional.kl_div(logits.log_softmax(-1), target, reduction="none").sum(-1)
            loss = (margin * divergence).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return student

    @torch.inference_mode()
    def evaluate(self, student):
        student.eval()
        right = 0
        for rows, inputs in batches(self.args, self.tokenizer, self.test_texts):
            predicted = forward(student, inputs, self.args).argmax(-1).tolist()
            right += sum(self.union[p] == self.test_labels[i] for p, i in zip(predicted, rows))
        return right / len(self.test_texts)
