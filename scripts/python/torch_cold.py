"""From nothing to the first prediction, as short as transformers allows: python torch_cold.py DIR TEXT.jsonl --threads N"""

import json
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

folder, texts, _, threads = sys.argv[1:]
logging.disable_progress_bar()
torch.set_num_threads(int(threads))
with open(texts, encoding="utf-8") as file:
    text = json.loads(file.readline())["text"]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
with torch.inference_mode():
    scores = model(**tokenizer(text, truncation=True, return_tensors="pt")).logits.softmax(-1)[0]
best = int(scores.argmax())
print(json.dumps({"label": model.config.id2label[best], "score": float(scores[best])}), flush=True)
