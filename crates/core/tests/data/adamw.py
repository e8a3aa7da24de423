"""Reference values of AdamW from PyTorch (float32, CPU): parameters after each of several steps, for tests/adamw.rs.
Usage: python adamw.py > adamw.json"""
import json, torch
torch.manual_seed(0); torch.set_num_threads(1)
n, steps = 24, 6
p0 = torch.randn(n); grads = torch.randn(steps, n) * torch.logspace(-6, 1, n)
cases = []
for lr, wd, b1, b2, eps in [(1e-3, 1.0, .9, .98, 1e-8), (0.05, 0.1, .8, .999, 1e-6), (1e-2, 0.0, 0.0, .9, 1e-8)]:
    w = torch.nn.Parameter(p0.clone()); opt = torch.optim.AdamW([w], lr=lr, weight_decay=wd, betas=(b1, b2), eps=eps); out = []
    for g in grads:
        w.grad = g.clone(); opt.step(); out.append(w.detach().tolist())
    cases.append(dict(lr=lr, weightDecay=wd, beta1=b1, beta2=b2, eps=eps, after=out))
print(json.dumps(dict(torch=torch.__version__, start=p0.tolist(), grads=grads.tolist(), cases=cases)))
