//! Small Specs for the tests, built as the SDK builds them.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::struct_excessive_bools,
    clippy::needless_pass_by_value,
    reason = "each test binary uses its own part, nothing is public; a configuration is a list of switches, builders take what `format!` and `json!` make"
)]

use serde_json::{Value, json};
use tritlens_core::program::{Grads, Program, Run};

/// What kind of transformer to build.
#[derive(Clone, Copy)]
pub struct Config {
    pub p: usize,
    pub seq: usize,
    pub d: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub mlp: usize,
    pub layers: usize,
    pub positions: bool,
    pub rotary: bool,
    pub causal: bool,
    pub norm: bool,
    pub gated: bool,
    pub biases: bool,
    pub act: &'static str,
    pub act_quant: &'static str,
    pub last: bool,
    pub quant: &'static str,
}

/// Li's architecture, small.
pub fn li(quant: &'static str) -> Config {
    Config {
        p: 13,
        seq: 3,
        d: 16,
        heads: 4,
        kv_heads: 4,
        mlp: 24,
        layers: 1,
        positions: false,
        rotary: false,
        causal: false,
        norm: false,
        gated: false,
        biases: false,
        act: "relu",
        act_quant: "none",
        last: true,
        quant,
    }
}

/// Nanda's architecture, small.
pub fn nanda() -> Config {
    Config { positions: true, causal: true, biases: true, ..li("none") }
}

/// A small language model with everything switched on.
pub fn language_model() -> Config {
    Config {
        p: 17,
        seq: 6,
        layers: 2,
        kv_heads: 2,
        positions: false,
        rotary: true,
        causal: true,
        norm: true,
        gated: true,
        biases: true,
        act: "silu",
        last: false,
        ..li("none")
    }
}

struct Builder {
    params: Vec<Value>,
    nodes: Vec<Value>,
    sites: Vec<Value>,
}

impl Builder {
    fn param(&mut self, name: String, shape: &[usize], quant: &str) -> usize {
        let std = if shape.len() == 1 { 0.3 } else { 1.0 / (shape[1] as f64).sqrt() };
        self.params.push(json!({"name": name, "shape": shape, "quant": quant,
            "init": {"kind": "normal", "std": std}}));
        self.params.len() - 1
    }

    fn node(&mut self, node: Value) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn site(&mut self, name: String, node: usize, shape: Value) {
        self.sites.push(json!({"name": name, "node": node, "shape": shape}));
    }
}

/// The Spec as JSON.
pub fn spec(c: &Config) -> String {
    let mut b = Builder { params: vec![], nodes: vec![], sites: vec![] };
    let w = b.param("W_E".into(), &[c.p + 1, c.d], "none");
    let mut x = b.node(json!({"op": "embed", "w": w}));
    b.site("hook_embed".into(), x, json!(["batch", "seq", c.d]));
    if c.positions {
        let w = b.param("W_pos".into(), &[c.seq, c.d], "none");
        let pos = b.node(json!({"op": "pos", "w": w}));
        x = b.node(json!({"op": "add", "in": [x, pos]}));
    }
    for l in 0..c.layers {
        x = block(&mut b, c, l, x);
    }
    if c.last {
        x = b.node(json!({"op": "last", "in": [x]}));
    }
    let gain = b.param("gain".into(), &[c.d], "none");
    let s = b.node(json!({"op": "norm_scale", "in": [x], "eps": 0.0, "floor": 1e-12}));
    let n = b.node(json!({"op": "norm_apply", "in": [x, s], "w": gain}));
    let w = b.param("W_U".into(), &[c.p, c.d], "none");
    let out = b.node(json!({"op": "linear", "in": [n], "w": w}));
    json!({"vocab": c.p + 1, "ctx": c.seq, "params": b.params, "nodes": b.nodes,
        "sites": b.sites, "output": out})
    .to_string()
}

fn norm(b: &mut Builder, c: &Config, name: &str, x: usize) -> usize {
    if !c.norm {
        return x;
    }
    let w = b.param(format!("{name}.w"), &[c.d], "none");
    if c.gated {
        // RMSNorm with its gain as an op of its own, as Llama-like models have it.
        let s = b.node(json!({"op": "norm_scale", "in": [x], "eps": 1e-5}));
        b.site(format!("{name}.hook_scale"), s, json!(["batch", "seq", 1]));
        let n = b.node(json!({"op": "norm_apply", "in": [x, s]}));
        return b.node(json!({"op": "gain", "in": [n], "w": w}));
    }
    let bias = b.param(format!("{name}.b"), &[c.d], "none");
    let s = b.node(json!({"op": "norm_scale", "in": [x], "center": true, "eps": 1e-5}));
    b.site(format!("{name}.hook_scale"), s, json!(["batch", "seq", 1]));
    b.node(json!({"op": "norm_apply", "in": [x, s], "center": true, "w": w, "b": bias}))
}

fn linear(b: &mut Builder, c: &Config, name: String, x: usize, io: [usize; 2]) -> usize {
    let w = b.param(format!("W_{name}"), &[io[1], io[0]], c.quant);
    let bias = c.biases.then(|| b.param(format!("b_{name}"), &[io[1]], "none"));
    b.node(json!({"op": "linear", "in": [x], "w": w, "b": bias, "actQuant": c.act_quant}))
}

fn block(b: &mut Builder, c: &Config, l: usize, x: usize) -> usize {
    let dh = c.d / c.heads;
    let h = norm(b, c, &format!("ln1.{l}"), x);
    let mut q = linear(b, c, format!("Q.{l}"), h, [c.d, c.d]);
    let mut k = linear(b, c, format!("K.{l}"), h, [c.d, c.kv_heads * dh]);
    let v = linear(b, c, format!("V.{l}"), h, [c.d, c.kv_heads * dh]);
    if c.rotary {
        let rot = |x, heads| json!({"op": "rotary", "in": [x], "heads": heads, "dim": dh, "base": 10000.0});
        q = b.node(rot(q, c.heads));
        k = b.node(rot(k, c.kv_heads));
    }
    let heads = json!({"heads": c.heads, "kvHeads": c.kv_heads});
    let mut scores = json!({"op": "scores", "in": [q, k], "scale": 1.0 / (c.d as f64).sqrt(), "causal": c.causal});
    let mut mix = json!({"op": "mix"});
    for n in [&mut scores, &mut mix] {
        n.as_object_mut().unwrap().extend(heads.as_object().unwrap().clone());
    }
    let s = b.node(scores);
    let pattern = b.node(json!({"op": "softmax", "in": [s]}));
    b.site(format!("hook_pattern.{l}"), pattern, json!(["batch", c.heads, "seq", "seq"]));
    mix["in"] = json!([pattern, v]);
    let z = b.node(mix);
    b.site(format!("hook_z.{l}"), z, json!(["batch", "seq", c.heads, dh]));
    let attn = linear(b, c, format!("O.{l}"), z, [c.d, c.d]);
    let mid = b.node(json!({"op": "add", "in": [x, attn]}));
    b.site(format!("hook_resid_mid.{l}"), mid, json!(["batch", "seq", c.d]));
    let h = norm(b, c, &format!("ln2.{l}"), mid);
    let pre = linear(b, c, format!("in.{l}"), h, [c.d, c.mlp]);
    b.site(format!("hook_pre.{l}"), pre, json!(["batch", "seq", c.mlp]));
    let post = if c.gated {
        let up = linear(b, c, format!("up.{l}"), h, [c.d, c.mlp]);
        let bias = b.param(format!("b_glu.{l}"), &[c.mlp], "none");
        b.node(json!({"op": "glu", "in": [pre, up], "fn": c.act, "b": bias}))
    } else {
        b.node(json!({"op": "act", "in": [pre], "fn": c.act}))
    };
    b.site(format!("hook_post.{l}"), post, json!(["batch", "seq", c.mlp]));
    let out = linear(b, c, format!("out.{l}"), post, [c.mlp, c.d]);
    let x = b.node(json!({"op": "add", "in": [mid, out]}));
    b.site(format!("hook_resid_post.{l}"), x, json!(["batch", "seq", c.d]));
    b.site(format!("hook_resid_pre.{}", l + 1), x, json!(["batch", "seq", c.d]));
    x
}

/// A compiled program with initial values.
pub fn program(c: &Config, seed: u64) -> Program {
    let mut p = Program::compile(&spec(c)).unwrap();
    p.params.init(seed);
    p
}

/// Modular addition: tokens a, b, "=" and targets, every `step`-th pair.
pub fn addition(p: usize, step: usize) -> (Vec<i32>, Vec<i32>) {
    let pairs = (0..p * p).step_by(step).map(|i| (i / p, i % p));
    let tokens = pairs.clone().flat_map(|(a, b)| [a as i32, b as i32, p as i32]).collect();
    (tokens, pairs.map(|(a, b)| ((a + b) % p) as i32).collect())
}

/// A text of pseudo-random tokens and its next-token targets (the last position of a row has none).
pub fn text(c: &Config, rows: usize) -> (Vec<i32>, Vec<i32>) {
    let rng = tritlens_core::rng::Rng::new(5, 5);
    let n = rows * c.seq;
    let tokens: Vec<i32> = (0..n as u64).map(|i| (rng.uniform(i) * c.p as f64) as i32).collect();
    let target = |i: usize| if (i + 1).is_multiple_of(c.seq) { -1 } else { tokens[i + 1] };
    (tokens.clone(), (0..n).map(target).collect())
}

/// Loss and flat latent gradient of a naive run.
pub fn run_gradient(program: &mut Program, tokens: &[i32], targets: &[i32]) -> (f64, Vec<f32>) {
    program.params.refresh();
    let seq = program.spec.ctx;
    let mut run = Run::open(program, tokens.len() / seq, seq, Grads::All).unwrap();
    let mut arena = vec![0.0; run.info().arena_length];
    run.set_tokens(program, tokens).unwrap();
    assert_eq!(run.step(program, &mut arena).unwrap(), -1);
    let loss = run.loss(program, &mut arena, targets).unwrap();
    assert_eq!(run.step_back(program, &mut arena).unwrap(), -1);
    (loss, run.param_grad().unwrap().to_vec())
}

/// Largest difference, relative to the largest entry.
pub fn relative_difference(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest =
        a.iter().fold(0.0f64, |m, &x| if f64::from(x).abs() > m { f64::from(x).abs() } else { m });
    let worst = a.iter().zip(b).fold(0.0f64, |m, (&x, &y)| {
        let d = (f64::from(x) - f64::from(y)).abs();
        if d > m { d } else { m }
    });
    worst / largest.abs().max(1e-30)
}
