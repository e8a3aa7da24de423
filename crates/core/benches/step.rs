//! Time of one full-batch training step of modular addition at p = 113, in milliseconds.
//! `cargo bench -p tritlens-core --bench step [-- THREADS STEPS QUANT]`; checks that the loss falls before it reports.
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use support::{addition, li, program};
use tritlens_core::par;
use tritlens_core::train::Trainer;

#[allow(clippy::print_stdout, reason = "a benchmark prints its result")]
fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let threads = numbers.first().copied().unwrap_or(1) as u32;
    let steps = numbers.get(1).copied().unwrap_or(40) as usize;
    par::set_threads(threads).expect("threads");
    for quant in ["none", "li_ternary"] {
        let c = support::Config { p: 113, d: 128, mlp: 512, ..li(quant) };
        let p = program(&c, 1);
        let (tokens, targets) = training_third(&addition(113, 1));
        let mut t =
            Trainer::new(&p, r#"{"lr":0.001,"beta2":0.98,"weightDecay":1.0}"#).expect("config");
        t.set_data(0, &tokens, &targets).expect("data");
        let columns = t.columns().len();
        let mut out = vec![0.0; columns * steps];
        t.steps(3, &mut out).expect("warm-up");
        let first = out[0];
        let mut times: Vec<f64> = (0..steps).map(|_| timed(&mut t, &mut out)).collect();
        times.sort_by(f64::total_cmp);
        assert!(out[0] < first, "the loss must fall");
        println!(
            "{quant:>10} {threads} threads: median {:.2} ms, best {:.2} ms",
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

/// 3830 pseudo-random pairs of all 12769, as in the papers.
fn training_third(all: &(Vec<i32>, Vec<i32>)) -> (Vec<i32>, Vec<i32>) {
    let rng = tritlens_core::rng::Rng::new(1, 1);
    let mut order: Vec<(u64, usize)> =
        (0..all.1.len()).map(|i| (rng.uniform(i as u64).to_bits(), i)).collect();
    order.sort_unstable();
    let chosen = order.iter().take(3830).map(|&(_, i)| i);
    let tokens = chosen.clone().flat_map(|i| all.0[3 * i..3 * i + 3].to_vec()).collect();
    (tokens, chosen.map(|i| all.1[i]).collect())
}
