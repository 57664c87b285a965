"""Shared writing helpers of the golden-file scripts: version stamp, compact JSON, safetensors, hashes."""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path

import torch
from safetensors.torch import save_file


def versions() -> dict:
    """Versions of everything that can change a golden number."""
    names = ["torch", "transformers", "tokenizers", "safetensors", "numpy"]
    stamp = {"python": platform.python_version()}
    for name in names:
        stamp[name] = metadata.version(name)
    return stamp


def write_json(path: Path, value) -> None:
    """JSON with one top-level key a line: compact, and still readable in a diff."""
    rows = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in value.items()]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def write_tensors(path: Path, tensors: dict) -> None:
    """Contiguous, detached copies, so that tied or sliced tensors are stored in full."""
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, str(path))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def quiet_single_thread() -> None:
    """One thread and deterministic kernels: the same file on every machine with the same versions."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
