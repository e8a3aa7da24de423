//! Time of one mini-batch training step of a small language model (4 layers, `d_model` 256, 8 heads, context 128, vocabulary 1024, `d_mlp` 1024, `LayerNorm`,
//! GPT-2's activation; 16 sequences a step), in milliseconds.
//! `cargo bench -p tritlens-core --bench lm_step [-- THREADS STEPS CASE]`, CASE being `none`, `ternary` or `int8`; checks that the loss falls.
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use support::{Config, li, program, text};
use tritlens_core::par;
use tritlens_core::train::Trainer;

fn language_model(quant: &'static str, act_quant: &'static str) -> Config {
    Config {
        p: 1023,
        seq: 128,
        d: 256,
        heads: 8,
        kv_heads: 8,
        mlp: 1024,
        layers: 4,
        positions: true,
        causal: true,
        norm: true,
        biases: true,
        act: "gelu_new",
        act_quant,
        last: false,
        ..li(quant)
    }
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its result")]
fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let threads = numbers.first().copied().unwrap_or(1) as u32;
    let steps = numbers.get(1).copied().unwrap_or(10) as usize;
    let wanted = |name: &str| std::env::args().any(|a| a == name);
    let all = !["none", "ternary", "int8"].iter().any(|name| wanted(name));
    par::set_threads(threads).expect("threads");
    for (name, quant, act_quant) in
        [("none", "none", "none"), ("ternary", "ternary", "none"), ("int8", "ternary", "int8")]
    {
        if !all && !wanted(name) {
            continue;
        }
        let c = language_model(quant, act_quant);
        let p = program(&c, 1);
        let (tokens, targets) = text(&c, 64);
        let config = r#"{"lr":0.001,"batchSize":16,"batchSeed":3}"#;
        let mut t = Trainer::new(&p, config).expect("config");
        t.set_data(0, &tokens, &targets).expect("data");
        let mut out = vec![0.0; t.columns().len() * steps];
        t.steps(2, &mut out).expect("warm-up");
        let first = out[0];
        let mut times: Vec<f64> = (0..steps).map(|_| timed(&mut t, &mut out)).collect();
        times.sort_by(f64::total_cmp);
        assert!(out[0] < first, "the loss must fall: {first}, then {}", out[0]);
        println!(
            "{name:>8} {threads} threads: median {:.1} ms, best {:.1} ms",
            times[steps / 2],
            times[0]
        );
    }
}

fn timed(t: &mut Trainer, out: &mut [f64]) -> f64 {
    let start = Instant::now();
    t.steps(1, out).expect("step");
    start.elapsed().as_secs_f64() * 1e3
}
