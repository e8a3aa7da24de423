//! The exact savings: same loss and gradient as the naive graph, with fewer rows; and results that do not depend on threads or chunks.
mod support;

use support::{
    Config, addition, language_model, li, nanda, program, relative_difference, run_gradient, text,
};
use tritlens_core::par;
use tritlens_core::program::Program;
use tritlens_core::program::fold::Role;
use tritlens_core::program::plan::{Mode, Plan, Space};
use tritlens_core::train::Trainer;

/// Both sum the same numbers in another order, in f32.
const SAME: f64 = 2e-5;

const CONFIG: &str = r#"{"lr":0.001,"beta2":0.98,"weightDecay":1.0}"#;

fn trainer(p: &Program, config: &str, data: &(Vec<i32>, Vec<i32>)) -> Trainer {
    let mut t = Trainer::new(p, config).unwrap();
    t.set_data(0, &data.0, &data.1).unwrap();
    t.set_data(1, &data.0, &data.1).unwrap();
    t
}

fn compare(c: &Config, data: &(Vec<i32>, Vec<i32>)) {
    let mut p = program(c, 4);
    let (loss, grad) = run_gradient(&mut p, &data.0, &data.1);
    for savings in [true, false] {
        let config = format!(r#"{{"lr":0.0,"savings":{savings}}}"#);
        let mut t = trainer(&p, &config, data);
        let mut out = vec![0.0; t.columns().len()];
        assert_eq!(t.steps(1, &mut out).unwrap(), 1);
        let what = format!("{} {} savings {savings}", c.quant, c.act_quant);
        assert!((out[0] - loss).abs() < 1e-6 * loss.abs(), "{what}: {} and {loss}", out[0]);
        let difference = relative_difference(&grad, t.last_gradient());
        assert!(difference < SAME, "savings {savings}: gradients differ by {difference}");
        let (evaluated, accuracy) = t.evaluate(1).unwrap();
        assert!((evaluated - loss).abs() < 1e-6 * loss.abs() && (0.0..=1.0).contains(&accuracy));
    }
}

#[test]
fn equal_the_naive_graph_for_every_quantiser() {
    for quant in ["none", "li_binary", "binary", "li_ternary", "ternary"] {
        compare(&li(quant), &addition(13, 2));
    }
}

/// Rounding to int8 turns the last bit of a sum into a whole code, so this holds only where both graphs add in the same order: one example a
/// distinct input (nothing merged in another order) and no folding, which is never done through a rounding.
#[test]
fn equal_the_naive_graph_with_int8_activations() {
    for quant in ["none", "li_ternary", "ternary"] {
        let c = Config { act_quant: "int8", ..nanda() };
        compare(&Config { quant, ..c }, &addition(13, 2));
    }
}

#[test]
fn equal_the_naive_graph_for_other_architectures() {
    compare(&nanda(), &addition(13, 2));
    compare(&Config { layers: 2, ..nanda() }, &addition(13, 2));
    compare(&Config { layers: 2, norm: true, ..li("ternary") }, &addition(13, 2));
    let lm = language_model();
    compare(&lm, &text(&lm, 9));
    compare(&Config { positions: true, rotary: false, ..language_model() }, &text(&lm, 5));
}

/// Few enough heads and wide enough rows that folding the linear layers behind the attention pays.
fn foldable(c: Config) -> Config {
    Config { d: 64, heads: 2, kv_heads: 2, ..c }
}

fn folded_nodes(c: &Config, examples: usize, distinct: usize) -> usize {
    let p = program(c, 1);
    let plan = Plan::new(&p, Mode::Savings { examples }, 8, 3, distinct).unwrap();
    plan.roles.iter().filter(|r| matches!(r, Role::Folded(_))).count()
}

#[test]
fn fold_linear_layers_behind_the_attention() {
    for quant in ["none", "li_binary", "ternary"] {
        let c = foldable(li(quant));
        assert_eq!(folded_nodes(&c, 91, 14), 3, "output projection, residual sum, first MLP layer");
        compare(&c, &addition(c.p, 1));
    }
    let c = foldable(nanda());
    assert_eq!(folded_nodes(&c, 169, 27), 3);
    compare(&c, &addition(c.p, 1));
    compare(&Config { kv_heads: 1, ..foldable(nanda()) }, &addition(13, 1));
    let normed = Config { norm: true, ..foldable(nanda()) };
    assert_eq!(folded_nodes(&normed, 169, 27), 2, "a norm needs the rows themselves");
    compare(&normed, &addition(13, 1));
    assert_eq!(folded_nodes(&c, 50, 27), 0, "with few examples it does not pay");
}

#[test]
fn really_save_rows() {
    let p = program(&li("none"), 1);
    let plan = Plan::new(&p, Mode::Savings { examples: 8 }, 8, 3, 14).unwrap();
    let of = |s: Space| plan.nodes.iter().filter(|n| n.space == s).count();
    assert_eq!(
        (of(Space::Full), of(Space::Distinct)),
        (0, 4),
        "embedding, q, k and v once a token"
    );
    // 13 * 13 ordered pairs are 91 unordered ones.
    let (tokens, targets) = addition(13, 1);
    let merged = tritlens_core::train::Data::new(&p, &tokens, &targets, true, 200).unwrap();
    assert_eq!((merged.examples(), merged.distinct.tokens.len()), (91, 14));
    let ordered = program(&nanda(), 1);
    let kept = tritlens_core::train::Data::new(&ordered, &tokens, &targets, true, 200).unwrap();
    assert_eq!(kept.examples(), 169, "with positions, (a, b) and (b, a) are different inputs");
}

fn weights_after(p: &Program, steps: &[usize], data: &(Vec<i32>, Vec<i32>)) -> Vec<u32> {
    let mut t = trainer(p, CONFIG, data);
    for &n in steps {
        let mut out = vec![0.0; n * t.columns().len()];
        assert_eq!(t.steps(n, &mut out).unwrap(), n);
    }
    t.params().latent().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn do_not_depend_on_threads_or_chunks_and_resume_bit_for_bit() {
    for c in [li("li_ternary"), foldable(li("none"))] {
        check_determinism(&c, &addition(c.p, 1));
    }
}

fn check_determinism(c: &Config, data: &(Vec<i32>, Vec<i32>)) {
    let p = program(c, 8);
    par::set_threads(1).unwrap();
    let reference = weights_after(&p, &[12], data);
    assert_eq!(reference, weights_after(&p, &[1; 12], data));
    for threads in [2, 3, 5] {
        par::set_threads(threads).unwrap();
        assert_eq!(reference, weights_after(&p, &[5, 7], data), "{threads} threads");
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
    second.steps(5, &mut out).unwrap();
    let resumed: Vec<u32> = second.params().latent().iter().map(|x| x.to_bits()).collect();
    assert_eq!(reference, resumed);
}

#[test]
fn keep_the_last_good_parameters_when_training_diverges() {
    let c = li("none");
    let mut p = program(&c, 8);
    let data = addition(c.p, 2);
    p.params.latent_mut()[3] = f32::NAN;
    let before: Vec<u32> = p.params.latent().iter().map(|x| x.to_bits()).collect();
    let mut t = trainer(&p, CONFIG, &data);
    let error = t.steps(3, &mut vec![0.0; 3 * t.columns().len()]).unwrap_err();
    assert_eq!(error.code, "E_NONFINITE");
    assert_eq!(t.step_count(), 0);
    let after: Vec<u32> = t.params().latent().iter().map(|x| x.to_bits()).collect();
    assert_eq!(before, after);
}

#[test]
fn refuse_a_learning_rate_that_could_overflow() {
    let p = program(&li("none"), 8);
    for lr in ["-1", "1e38", "1e999"] {
        let error = Trainer::new(&p, &format!(r#"{{"lr":{lr}}}"#)).err().unwrap();
        assert!(error.code == "E_RANGE" || error.code == "E_SPEC", "{error}");
    }
}
