//! Mini-batches: gradients of exactly the chosen examples, results that do not depend on threads, chunks or interruptions, and attention in blocks.
mod support;

use support::{
    Config, addition, language_model, li, nanda, program, relative_difference, run_gradient, text,
};
use tritlens_core::par;
use tritlens_core::program::Program;
use tritlens_core::program::fold::Role;
use tritlens_core::program::plan::{Mode, Plan};
use tritlens_core::train::Trainer;

type Set = (Vec<i32>, Vec<i32>);

fn trainer(p: &Program, config: &str, data: &Set) -> Trainer {
    let mut t = Trainer::new(p, config).unwrap();
    t.set_data(0, &data.0, &data.1).unwrap();
    t
}

/// Long enough for attention in blocks, several of them, and the last one short.
fn long_model() -> Config {
    Config { seq: 70, ..language_model() }
}

fn absolute(c: Config) -> Config {
    Config { positions: true, rotary: false, ..c }
}

/// Both sum the same numbers in another order, in f32.
const SAME: f64 = 2e-5;

#[test]
fn attention_in_blocks_equals_the_naive_graph() {
    let whole = Config { causal: false, ..long_model() };
    for c in [
        long_model(),
        absolute(long_model()),
        whole,
        Config { heads: 2, kv_heads: 2, ..long_model() },
    ] {
        let data = text(&c, 5);
        let mut p = program(&c, 4);
        let plan = Plan::new(&p, Mode::Rows, 2, c.seq, 0).unwrap();
        let blocks = plan.roles.iter().filter(|r| matches!(r, Role::Attention(_))).count();
        assert_eq!(blocks, c.layers);
        let (loss, grad) = run_gradient(&mut p, &data.0, &data.1);
        for size in ["null", "5"] {
            let mut t = trainer(&p, &format!(r#"{{"lr":0.0,"batchSize":{size}}}"#), &data);
            let mut out = vec![0.0; t.columns().len()];
            t.steps(1, &mut out).unwrap();
            assert!((out[0] - loss).abs() < 1e-6 * loss.abs(), "{} and {loss}", out[0]);
            let difference = relative_difference(&grad, t.last_gradient());
            assert!(difference < SAME, "gradients differ by {difference}");
            let (evaluated, _) = t.evaluate(0).unwrap();
            assert!((evaluated - loss).abs() < 1e-6 * loss.abs());
        }
    }
}

/// A step's loss and gradient are those of its examples alone: found by trying every pair of them.
fn check_chosen(c: &Config, data: &Set, expected_seq: usize) {
    let mut p = program(c, 4);
    let n = data.0.len() / expected_seq;
    let outputs = data.1.len() / n;
    let mut t = trainer(&p, r#"{"lr":0.0,"batchSize":2,"batchSeed":9}"#, data);
    let mut used = vec![0; n];
    for _ in 0..n {
        let mut out = vec![0.0; t.columns().len()];
        t.steps(1, &mut out).unwrap();
        let pair = (0..n * n).find(|i| {
            let (a, b) = (i / n, i % n);
            let both = |x: &[i32], len: usize| -> Vec<i32> {
                [a, b].iter().flat_map(|&e| x[e * len..(e + 1) * len].to_vec()).collect()
            };
            let (tokens, targets) = (both(&data.0, expected_seq), both(&data.1, outputs));
            let (loss, grad) = run_gradient(&mut p, &tokens, &targets);
            (out[0] - loss).abs() < 1e-6 * loss.abs()
                && relative_difference(&grad, t.last_gradient()) < SAME
        });
        let pair = pair.expect("the step is that of two of the examples");
        used[pair / n] += 1;
        used[pair % n] += 1;
    }
    assert!(used.iter().all(|&times| times == 2), "two epochs: {used:?}");
}

#[test]
fn a_step_takes_exactly_the_chosen_examples() {
    // Distinct rows are used (18 tokens and positions, 2 x 6 rows would be fewer: not used), and every kind of read-out.
    check_chosen(&language_model(), &text(&language_model(), 5), 6);
    let long = Config { seq: 20, ..language_model() };
    check_chosen(&long, &text(&long, 4), 20);
    let c = nanda();
    let some = addition(c.p, 29);
    check_chosen(&c, &some, 3);
}

fn weights_after(p: &Program, config: &str, steps: &[usize], data: &Set) -> Vec<u32> {
    let mut t = trainer(p, config, data);
    for &n in steps {
        assert_eq!(t.steps(n, &mut vec![0.0; n * t.columns().len()]).unwrap(), n);
    }
    t.params().latent().iter().map(|x| x.to_bits()).collect()
}

const CONFIG: &str = r#"{"lr":0.001,"weightDecay":0.1,"batchSize":7,"batchSeed":5}"#;

fn check_determinism(c: &Config, data: &Set) {
    let p = program(c, 8);
    par::set_threads(1).unwrap();
    let reference = weights_after(&p, CONFIG, &[12], data);
    assert_eq!(reference, weights_after(&p, CONFIG, &[1; 12], data));
    for threads in [2, 3, 5] {
        par::set_threads(threads).unwrap();
        assert_eq!(reference, weights_after(&p, CONFIG, &[5, 7], data), "{threads} threads");
    }
    par::set_threads(1).unwrap();
    let mut first = trainer(&p, CONFIG, data);
    let mut out = vec![0.0; 12 * first.columns().len()];
    first.steps(7, &mut out).unwrap();
    let mut second = trainer(&p, CONFIG, data);
    for kind in 0..3 {
        second.set_state(kind, first.state(kind).unwrap()).unwrap();
    }
    second.set_step_count(first.step_count());
    second.evaluate(0).unwrap();
    second.steps(5, &mut out).unwrap();
    let resumed: Vec<u32> = second.params().latent().iter().map(|x| x.to_bits()).collect();
    assert_eq!(reference, resumed);
    let other = CONFIG.replace("\"batchSeed\":5", "\"batchSeed\":6");
    assert_ne!(reference, weights_after(&p, &other, &[12], data), "another seed, another order");
}

#[test]
fn do_not_depend_on_threads_or_chunks_and_resume_bit_for_bit() {
    let long = Config { seq: 20, quant: "ternary", act_quant: "int8", ..language_model() };
    check_determinism(&long, &text(&long, 17));
    let short = Config { quant: "ternary", ..language_model() };
    check_determinism(&short, &text(&short, 17));
    // Few distinct rows: those are computed once, and linear layers behind the attention fold.
    let folded = Config { d: 64, heads: 2, kv_heads: 2, ..li("none") };
    check_determinism(&folded, &addition(folded.p, 1));
}

#[test]
fn refuse_a_batch_larger_than_the_set() {
    let p = program(&li("none"), 1);
    let (tokens, targets) = addition(13, 20);
    let error = |size: &str| match Trainer::new(&p, &format!(r#"{{"batchSize":{size}}}"#)) {
        Ok(mut t) => t.set_data(0, &tokens, &targets).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(targets.len(), 9);
    assert_eq!(error("10").code, "E_RANGE");
    assert!(error("10").to_string().contains("1 to the 9 training examples"));
    assert_eq!(error("0").code, "E_RANGE");
    assert_eq!(error("2.5").code, "E_SPEC");
    assert_eq!(error("-1").code, "E_SPEC");
    let mut t = Trainer::new(&p, r#"{"batchSize":9}"#).unwrap();
    t.set_data(0, &tokens, &targets).unwrap();
    t.set_data(1, &tokens[..3], &targets[..1]).unwrap();
    t.set_step_count(u64::MAX >> 11);
    assert_eq!(t.steps(1, &mut vec![0.0; t.columns().len()]).unwrap(), 1);
}
