"""Loads folders with transformers and prints the largest difference of their logits from the expected ones, relative to the largest logit. Reads {folder: {tokens, logits}} from a JSON file."""
import json, sys
import torch
from transformers import AutoModelForCausalLM

out = {}
for folder, case in json.load(open(sys.argv[1])).items():
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        found = model(torch.tensor([case["tokens"]])).logits[0]
    expected = torch.tensor(case["logits"]).reshape(found.shape)
    out[folder] = float((found - expected).abs().max() / expected.abs().max())
print(json.dumps(out))
