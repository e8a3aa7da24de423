"""A small language model in PyTorch (eager), one mini-batch training step after the other, on request: the peer of bench/lm.mjs.

The model is tritlens's: learned positions, pre-LayerNorm blocks with biases, causal attention, GPT-2's activation, an unembedding of its own. Attention is
PyTorch's own fused one (scaled_dot_product_attention). Modes:
  fp32     plain linear layers
  ternary  weights of the six matrices of a block fake-quantised to trits by their mean absolute value (b1.58), straight-through
  int8     the same, and int8 activations per token in front of those matrices
Arguments: mode, threads, sizes as JSON. Reads one JSON object a line: first {"weights": base64, "names": [...]}, then {"steps": n, "batches": base64 of int32
tokens and targets}; answers each with one line.
"""
import base64, json, math, sys, time
import torch, torch.nn.functional as F

mode, threads, size = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(threads)
L, D, H, T, M, V, B = (size[k] for k in ("nLayers", "dModel", "nHeads", "nCtx", "dMlp", "dVocab", "batch"))


def ternary(w):
    g = w.abs().mean().clamp(min=1e-5)
    return w + (g * (w / g).round().clamp(-1, 1) - w).detach()


def int8(x):
    s = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return x + ((x * s).round().clamp(-128, 127) / s - x).detach()


def linear(x, w, b):
    if mode == "int8":
        x = int8(x)
    return F.linear(x, w if mode == "fp32" else ternary(w), b)


def norm(x, W, at):
    return F.layer_norm(x, (D,), W[at + "w"], W[at + "b"], 1e-5)


def heads(x):
    return x.view(B, T, H, D // H).transpose(1, 2)


def attention(x, W, at):
    q, k, v = (heads(linear(x, W[at + "W_" + n], W[at + "b_" + n])) for n in "QKV")
    z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
    return linear(z, W[at + "W_O"], W[at + "b_O"])


def forward(tokens, W):
    x = W["embed.W_E"][tokens] + W["pos_embed.W_pos"]
    for i in range(L):
        at = f"blocks.{i}."
        x = x + attention(norm(x, W, at + "ln1."), W, at + "attn.")
        h = F.gelu(linear(norm(x, W, at + "ln2."), W[at + "mlp.W_in"], W[at + "mlp.b_in"]), approximate="tanh")
        x = x + linear(h, W[at + "mlp.W_out"], W[at + "mlp.b_out"])
    return F.linear(norm(x, W, "ln_final."), W["unembed.W_U"], W["unembed.b_U"])


def parameters(given):
    flat = torch.frombuffer(bytearray(base64.b64decode(given["weights"])), dtype=torch.float32)
    W, at = {}, 0
    for name, shape in given["names"]:
        count = math.prod(shape)
        W[name] = torch.nn.Parameter(flat[at : at + count].view(shape).clone())
        at += count
    assert at == len(flat), f"{len(flat)} numbers came, {at} are needed"
    return W


W = parameters(json.loads(sys.stdin.readline()))
# One fused call a parameter list; the plain loop over parameters is slower.
optimiser = torch.optim.AdamW(W.values(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.1, foreach=True)
print(json.dumps(dict(torch=torch.__version__, threads=torch.get_num_threads())), flush=True)

for line in sys.stdin:
    asked = json.loads(line)
    ints = torch.frombuffer(bytearray(base64.b64decode(asked["batches"])), dtype=torch.int32).long()
    batches = ints.view(asked["steps"], 2, B, T)
    losses, began = [], time.perf_counter()
    for tokens, targets in batches:
        loss = F.cross_entropy(forward(tokens, W).view(-1, V), targets.reshape(-1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    print(json.dumps(dict(seconds=time.perf_counter() - began, losses=losses)), flush=True)
