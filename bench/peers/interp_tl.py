"""TransformerLens on request: the peer of bench/interp.mjs. Its own functions on the same weights, prompts and threads, without gradients, as its patching demo runs them.

Arguments: threads, then the sizes, prompts and answers as JSON. Reads one JSON object a line: first {"path": weights}, then {"ask": "values" | "time", "what": NAME, "count": N};
answers each with one line.
"""
import json, sys, time
import torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig, patching

threads, asked = int(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
s = asked["size"]
model = HookedTransformer(
    HookedTransformerConfig(
        n_layers=s["nLayers"], d_model=s["dModel"], n_heads=s["nHeads"], d_head=s["dHead"], d_mlp=s["dMlp"], n_ctx=s["nCtx"], d_vocab=s["dVocab"],
        act_fn="gelu_new", normalization_type="LN", device="cpu",
    )
)
missing, unexpected = model.load_state_dict(load_file(json.loads(sys.stdin.readline())["path"]), strict=False)
# Masks are buffers that no file holds.
assert not unexpected and all(name.endswith(("mask", "IGNORE")) for name in missing), (missing, unexpected)
clean, corrupt = torch.tensor(asked["clean"]), torch.tensor(asked["corrupt"])
_, cache = model.run_with_cache(clean)


def metric(logits):
    return (logits[:, -1, asked["answer"]] - logits[:, -1, asked["foil"]]).mean()


calls = 0


def look(value, hook):
    global calls
    calls += 1


hooks = [(f"blocks.{layer}.hook_{name}", look) for layer in range(s["nLayers"]) for name in ("resid_post", "mlp_out")]


def size2(x):
    return x[torch.isfinite(x)].double().square().sum().item()


def forward_and_backward():
    model.zero_grad()
    with torch.enable_grad():
        metric(model(corrupt)).backward()
    return cache["hook_embed"]


RUNS = {
    "resid_pre by layer and position": lambda: patching.get_act_patch_resid_pre(model, corrupt, cache, metric),
    "head outputs by layer and head": lambda: patching.get_act_patch_attn_head_out_all_pos(model, corrupt, cache, metric),
    "runWithCache of everything": lambda: model.run_with_cache(corrupt)[1],
    "forward": lambda: model(corrupt),
    "24 hook functions": lambda: model.run_with_hooks(corrupt, fwd_hooks=hooks),
    "forward and backward": forward_and_backward,
}
print(json.dumps(dict(torch=torch.__version__, threads=torch.get_num_threads())), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    run = RUNS[request["what"]]
    if request["ask"] == "values":
        found = run()
        values = found.flatten().tolist() if isinstance(found, torch.Tensor) else {name: size2(x) for name, x in found.items()}
        print(json.dumps(dict(values=values)), flush=True)
        continue
    began = time.perf_counter()
    for _ in range(request["count"]):
        run()
    print(json.dumps(dict(seconds=(time.perf_counter() - began) / request["count"])), flush=True)
