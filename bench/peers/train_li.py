"""Li's architecture in PyTorch, one training step after the other, on request: the peer of bench/bench.mjs.

Two ways to compute the same loss and gradients:
  last    only what the last position needs, keys and values once per distinct token (what tests/golden/generate/train_li.py does)
  plain   every layer at all three positions, as most training code is written
Reads one JSON object a line: first {"weights": base64, "train": [...]}, then {"steps": n}; answers each with one line.
"""
import base64, json, math, sys, time
import torch, torch.nn.functional as F

mode, variant, threads, p = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
D, M, H, dh = 128, 512, 4, 32
SHAPES = dict(W_E=(p + 1, D), W_Q=(D, D), W_K=(D, D), W_V=(D, D), W_O=(D, D), W_in=(M, D), W_out=(D, M), gain=(D,), W_U=(p, D))


def quantised(w):
    if mode == "fp32":
        return w
    if mode == "li_binary":
        v = w - w.mean()
        return v + (torch.sign(v) - v).detach()
    if mode == "li_ternary":
        v = w - w.mean()
        g = v.abs().mean().clamp(min=1e-5)
        return v + (g * (v / g).round().clamp(-1, 1) - v).detach()
    raise SystemExit(f"unknown mode {mode}")


def read_out(x, W):
    x = F.normalize(x, dim=-1) * math.sqrt(D) * W["gain"]
    return x @ W["W_U"].T


def last(tokens, W):
    a, b = tokens[:, 0], tokens[:, 1]
    n, e = len(a), W["W_E"]
    k = (e @ quantised(W["W_K"]).T).view(-1, H, dh)
    v = (e @ quantised(W["W_V"]).T).view(-1, H, dh)
    r = e[p:]
    q = (r @ quantised(W["W_Q"]).T).view(H, dh)
    s = torch.einsum("nhd,hd->nh", k, q) / math.sqrt(D)
    pattern = torch.stack([s[a], s[b], s[p].expand(n, H)], 1).softmax(1)
    z = (pattern[..., None] * torch.stack([v[a], v[b], v[p].expand(n, H, dh)], 1)).sum(1).reshape(n, D)
    x = r + z @ quantised(W["W_O"]).T
    return read_out(x + F.relu(x @ quantised(W["W_in"]).T) @ quantised(W["W_out"]).T, W)


def plain(tokens, W):
    n = len(tokens)
    x = W["W_E"][tokens]
    q, k, v = ((x @ quantised(W[name]).T).view(n, 3, H, dh).transpose(1, 2) for name in ("W_Q", "W_K", "W_V"))
    pattern = (q @ k.transpose(-1, -2) / math.sqrt(D)).softmax(-1)
    x = x + (pattern @ v).transpose(1, 2).reshape(n, 3, D) @ quantised(W["W_O"]).T
    x = x + F.relu(x @ quantised(W["W_in"]).T) @ quantised(W["W_out"]).T
    return read_out(x, W)[:, -1]


def parameters(blob):
    flat = torch.frombuffer(bytearray(base64.b64decode(blob)), dtype=torch.float32)
    W, at = {}, 0
    for name, shape in SHAPES.items():
        size = math.prod(shape)
        W[name] = torch.nn.Parameter(flat[at : at + size].view(shape).clone())
        at += size
    assert at == len(flat), f"{len(flat)} numbers came, {at} are needed"
    return W


given = json.loads(sys.stdin.readline())
W = parameters(given["weights"])
train = torch.tensor(given["train"])
tokens = torch.stack([train // p, train % p, torch.full_like(train, p)], 1)
target = (train // p + train % p) % p
optimiser = torch.optim.AdamW(W.values(), lr=1e-3, weight_decay=1.0, betas=(0.9, 0.98))
forward = dict(last=last, plain=plain)[variant]
print(json.dumps(dict(torch=torch.__version__, threads=torch.get_num_threads())), flush=True)

for line in sys.stdin:
    losses, began = [], time.perf_counter()
    for _ in range(json.loads(line)["steps"]):
        loss = -forward(tokens, W).double().log_softmax(-1).gather(1, target[:, None]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    print(json.dumps(dict(seconds=time.perf_counter() - began, losses=losses)), flush=True)
