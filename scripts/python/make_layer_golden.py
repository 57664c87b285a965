"""One transformer layer with all its gradients, from `transformers` and autograd in float64, and the same in bfloat16.

    python make_layer_golden.py ../../crates/faculty-testkit/golden

writes OUT/layer.safetensors and OUT/layer.json: a BertLayer (width 32, 4 heads, inner 64, no dropout) over a padded
batch. What is differentiated is the output at text positions, weighted and summed.

The same pass under `torch.autocast(bfloat16)` is stored too, so that an implementation in bfloat16 can be compared with
PyTorch's own error.
"""

import sys
from pathlib import Path

import torch
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from golden_io import quiet_single_thread, versions, write_json, write_tensors

WIDTH, HEADS, INNER, EPSILON = 32, 4, 64, 1e-12
LENGTHS = [9, 1, 6, 4]


def make_layer():
    config = BertConfig(hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=INNER, hidden_act="gelu",
                        layer_norm_eps=EPSILON, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config._attn_implementation = "eager"
    return BertLayer(config)


def randomise(layer, seed):
    """Values that f32 holds exactly: matrices N(0, 1.5 / sqrt(inputs)), so that attention is far from uniform."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in layer.named_parameters():
            scale = 1.5 / p.shape[1] ** 0.5 if p.dim() == 2 else 0.2
            p.copy_(torch.randn(p.shape, generator=rng) * scale)
            if "LayerNorm.weight" in name:
                p.add_(1.0)


def run(parameters, hidden, mask, projection, dtype, autocast=False):
    """Output (zeroed at padding) and gradients by name, of the layer in `dtype`."""
    layer = make_layer().to(dtype).eval()
    layer.load_state_dict({k: v.to(dtype) for k, v in parameters.items()})
    hidden = hidden.to(dtype).clone().requires_grad_(True)
    keys = torch.zeros(mask.shape, dtype=dtype).masked_fill(mask == 0, torch.finfo(dtype).min)[:, None, None, :]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        output = layer(hidden, keys)
    output = (output[0] if isinstance(output, tuple) else output).to(dtype) * mask[..., None].to(dtype)
    (output * projection.to(dtype)).sum().backward()
    gradients = {name: p.grad for name, p in layer.named_parameters()}
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())
    return output.detach(), {"hidden": hidden.grad, **gradients}


def joined(gradients):
    """Queries, keys and values together: alone, the gradient of the keys' bias is 0 and has no relative error."""
    out = {k: v for k, v in gradients.items() if ".self." not in k}
    for kind in ("weight", "bias"):
        out[f"attention.self.{kind}"] = torch.cat([gradients[f"attention.self.{k}.{kind}"] for k in ("query", "key", "value")])
    return out


def relative_errors(actual, exact):
    actual, exact = joined(actual), joined(exact)
    return {k: relative_rms(actual[k], exact[k]) for k in exact}


def relative_rms(actual, exact):
    return ((actual.double() - exact).square().mean() / exact.square().mean()).sqrt().item()


def main(out):
    quiet_single_thread()
    out = Path(out)
    layer = make_layer()
    randomise(layer, 41)
    parameters = {k: v.detach().clone() for k, v in layer.named_parameters()}
    rng = torch.Generator().manual_seed(42)
    tokens = max(LENGTHS) + 1
    hidden = torch.randn(len(LENGTHS), tokens, WIDTH, generator=rng)
    projection = torch.randn(len(LENGTHS), tokens, WIDTH, generator=rng)
    mask = (torch.arange(tokens)[None] < torch.tensor(LENGTHS)[:, None]).long()

    exact, gradients = run(parameters, hidden, mask, projection, torch.float64)
    single, single_gradients = run(parameters, hidden, mask, projection, torch.float32)
    half, half_gradients = run(parameters, hidden, mask, projection, torch.float32, autocast=True)
    # The difference quotient of one weight: autograd and this script's own formula of the objective agree.
    name, step = "intermediate.dense.weight", 1e-6
    moved = [run({**parameters, name: parameters[name].double() + shift * step * torch.eye(INNER, WIDTH)},
                 hidden, mask, projection, torch.float64)[0] for shift in (1, -1)]
    quotient = ((moved[0] - moved[1]) * projection.double()).sum() / (2 * step)
    assert abs(quotient - gradients[name].diagonal().sum()) < 1e-6 * abs(quotient)

    tensors = {"attention_mask": mask, "input": hidden, "projection": projection, **parameters,
               "output": exact.float(), "autocast.output": half.float()}
    tensors |= {f"gradient.{k}": v.float() for k, v in gradients.items()}
    write_tensors(out / "layer.safetensors", tensors)
    errors = {
        "f32": {"output": relative_rms(single, exact),
                "gradients": relative_errors(single_gradients, gradients)},
        "autocast_bf16": {"output": relative_rms(half, exact),
                          "gradients": relative_errors(half_gradients, gradients)},
    }
    write_json(out / "layer.json", {
        "VERSIONS": versions(), "width": WIDTH, "heads": HEADS, "inner": INNER, "epsilon": EPSILON,
        "lengths": LENGTHS, "tokens": tokens, "relative_rms_errors": errors})
    for name in ("layer.safetensors", "layer.json"):
        print(name, (out / name).stat().st_size, "bytes")
    print(errors["f32"]["output"], errors["autocast_bf16"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
