"""More tiny random checkpoints of transformers beside those of huggingface.py: QK norms, scaled rotary frequencies, biases, sequential GPT-NeoX, packed Llama.

Usage: python huggingface_more.py OUT SEED (transformers 5.23, torch, safetensors)
"""
import json, os, sys
import torch
import transformers as T
from safetensors.torch import save_file
from transformers.integrations.bitnet import AutoBitLinear, BitLinear, pack_weights

out, seed = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
g = torch.Generator().manual_seed(seed)
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def randomize(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            gain = p.ndim == 1 and "norm" in name.lower() and "bias" not in name or ".ln_" in name and name.endswith("weight")
            p.copy_(torch.randn(p.shape, generator=g) * (0.08 if p.ndim > 1 else 0.1) + (1.0 if gain else 0.0))


def expect(name, model, vocab, n):
    model.eval()
    tokens = torch.randint(0, vocab, (2, n), generator=g)
    with torch.no_grad():
        o = model(tokens, output_hidden_states=True)
    # Without a mask, tokens equal to pad_token_id would be masked.
    greedy = model.generate(tokens[:1, :4], attention_mask=torch.ones(1, 4), max_new_tokens=12, do_sample=False, pad_token_id=0, eos_token_id=None)
    t = {"tokens": tokens.int(), "logits": o.logits, "greedy": greedy.int()}
    for i, h in enumerate(o.hidden_states):
        t[f"hidden.{i}"] = h
    save_file({k: v.contiguous().clone() for k, v in t.items()}, f"{out}/{name}/expected.safetensors")
    print(name, tuple(o.logits.shape), greedy[0].tolist())


def plain(name, model, vocab=101, n=13, dtype=None, **save):
    randomize(model)
    if dtype:
        # The values of the file, computed with in f32.
        model.to(dtype).save_pretrained(f"{out}/{name}", **save)
        model = type(model).from_pretrained(f"{out}/{name}", dtype=torch.float32)
    else:
        model.save_pretrained(f"{out}/{name}", **save)
    expect(name, model, vocab, n)


def llama(**kw):
    base = dict(vocab_size=101, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
    return T.LlamaForCausalLM(T.LlamaConfig(**{**base, **kw}))


def replaced(model, make, skip=()):
    for name, mod in list(model.named_modules()):
        for child, lin in list(mod.named_children()):
            full = f"{name}.{child}"
            if child in LINEAR and isinstance(lin, torch.nn.Linear) and not any(full.endswith(s) for s in skip):
                setattr(mod, child, make(lin))
    return model


def ternary(w):
    s = w.abs().mean().clamp(min=1e-5)
    return (w / s).round().clamp(-1, 1), s


def save_raw(name, config, tensors, quantization):
    os.makedirs(f"{out}/{name}", exist_ok=True)
    c = config.to_dict()
    c["quantization_config"] = quantization
    json.dump(c, open(f"{out}/{name}/config.json", "w"), indent=1, default=str)
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, f"{out}/{name}/model.safetensors", metadata={"format": "pt"})


# Qwen3: QK norm, heads wider than hidden_size / heads, tied and not.
qwen3 = dict(vocab_size=101, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
             max_position_embeddings=64)
plain("qwen3", T.Qwen3ForCausalLM(T.Qwen3Config(**qwen3)))
plain("qwen3_tied", T.Qwen3ForCausalLM(T.Qwen3Config(**{**qwen3, "head_dim": 16, "tie_word_embeddings": True, "attention_bias": True})))
# Rotary scaling, with contexts at which all three parts of the ramps matter.
plain("llama_llama3", llama(rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)))
plain("llama_linear", llama(rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=3.0)))
plain("llama_yarn", llama(head_dim=16, rope_parameters=dict(rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=16)))
plain("llama_dynamic", llama(rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)))
# All biases, the tanh form of GELU, tied embeddings.
plain("llama_biased", llama(attention_bias=True, mlp_bias=True, hidden_act="gelu_pytorch_tanh", tie_word_embeddings=True))
# bf16 in shards.
plain("llama_bf16", llama(), dtype=torch.bfloat16, max_shard_size="20KB")
# GPT-NeoX one half after the other; every entry of a head rotated.
plain("gpt_neox_sequential", T.GPTNeoXForCausalLM(T.GPTNeoXConfig(vocab_size=89, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
      max_position_embeddings=64, rope_parameters=dict(rope_theta=10000.0, rope_type="default", partial_rotary_factor=1.0), use_parallel_residual=False,
      hidden_act="gelu_fast", bos_token_id=1, eos_token_id=2)), vocab=89, n=9)
# GPT-2 with a narrow MLP, ReLU and an unembedding of its own.
plain("gpt2_untied", T.GPT2LMHeadModel(T.GPT2Config(vocab_size=97, n_positions=32, n_embd=32, n_layer=2, n_head=2, n_inner=48, activation_function="relu",
      tie_word_embeddings=False, bos_token_id=1, eos_token_id=2)), vocab=97, n=11)

# Llama with packed BitLinear (HF1BitLLM): scales divide.
m = llama(hidden_size=64, intermediate_size=96, attention_bias=False)
randomize(m)
state = dict(m.state_dict())


def bitlinear(lin):
    t, s = ternary(lin.weight.data)
    layer = BitLinear(lin.in_features, lin.out_features, bias=False, dtype=torch.float32)
    layer.weight = torch.nn.Buffer(pack_weights(t.clone()))
    layer.weight_scale = torch.nn.Buffer((1 / s).reshape(1))
    return layer


for name in list(state):
    if any(name.endswith(f"{x}.weight") for x in LINEAR):
        t, s = ternary(state[name])
        state[name] = pack_weights(t.clone())
        state[name.replace(".weight", ".weight_scale")] = (1 / s).reshape(1)
save_raw("llama_bitlinear", m.config, state, dict(quant_method="bitnet", linear_class="bitlinear", quantization_mode="offline", modules_to_not_convert=["lm_head"]))
expect("llama_bitlinear", replaced(m, bitlinear), 101, 13)

# BitNet from master weights, with a norm before every quantised matrix and some matrices left alone.
c = T.BitNetConfig(vocab_size=96, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                   max_position_embeddings=64, rope_theta=500000.0, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True)
m = T.BitNetForCausalLM(c)
skip = ["down_proj", "model.layers.1.self_attn.k_proj"]


def autobitlinear(lin):
    layer = AutoBitLinear(lin.in_features, lin.out_features, bias=False, online_quant=True, use_rms_norm=True, rms_norm_eps=1e-4)
    layer.weight.data = lin.weight.data.clone()
    return layer


replaced(m, autobitlinear, skip)
randomize(m)
save_raw("bitnet_norms", c, {k: v for k, v in m.state_dict().items() if k != "lm_head.weight"},
         dict(quant_method="bitnet", linear_class="autobitlinear", quantization_mode="online", use_rms_norm=True, rms_norm_eps=1e-4, modules_to_not_convert=skip))
expect("bitnet_norms", m, 96, 12)
