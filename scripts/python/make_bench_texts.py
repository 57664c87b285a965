"""Texts that both sides of `cargo xtask bench peers` read: python make_bench_texts.py CLINC SHARED OUT

CLINC is the embedded CLINC150 folder; SHARED a folder with ag_news/ and abstracts5/ (rows {"t": text, "y": class}); a set
that is not there is skipped. Writes OUT/*.jsonl with rows {"text", "label"}:

  clinc150     640 short queries        ag_news      1,280 news of medium length     abstracts5   640 long abstracts
  padded       1,280 abstracts of more than 130 words: cut at 128 tokens they all have the same length
  muki-train, muki-test                 4,000 and 1,000 AG News texts
  muki-first, muki-second               320 texts of the first and of the second half of AG News' labels, for teachers
"""

import io
import json
import sys
from pathlib import Path

import zstandard


def read(path):
    """Rows (text, label name) of a compressed file."""
    with path.open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        rows = [json.loads(line) for line in lines]
    return [(row["text"], row["label"]) if "text" in row else (row["t"], f"{path.parent.name} {row['y']}") for row in rows]


def write(out, name, rows, count):
    """`count` rows, evenly spread."""
    rows = [rows[i * len(rows) // count] for i in range(min(count, len(rows)))]
    lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in rows]
    (out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def main():
    clinc, shared, out = map(Path, sys.argv[1:])
    write(out, "clinc150", read(clinc / "test.jsonl.zst"), 640)
    news, abstracts = shared / "ag_news", shared / "abstracts5"
    if news.is_dir():
        train = read(news / "train.jsonl.zst")
        write(out, "ag_news", train, 1280)
        write(out, "muki-train", train, 4000)
        write(out, "muki-test", read(news / "test.jsonl.zst"), 1000)
        halves = {"muki-first": ("ag_news 0", "ag_news 1"), "muki-second": ("ag_news 2", "ag_news 3")}
        for name, labels in halves.items():
            write(out, name, [row for row in train if row[1] in labels], 320)
    if abstracts.is_dir():
        train = read(abstracts / "train.jsonl.zst")
        write(out, "abstracts5", train, 640)
        write(out, "padded", [row for row in train if len(row[0].split()) > 130], 1280)


if __name__ == "__main__":
    main()
