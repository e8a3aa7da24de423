//! Every op's backward pass against finite differences, through whole programs.
mod support;

use support::{Config, addition, language_model, li, nanda, program, run_gradient, text};
use tritlens_core::program::Program;
use tritlens_core::rng::Rng;

/// f32 forward passes leave about 1e-6 of noise in the loss; divided by the step below that is a few 1e-4 of the derivative.
const TOLERANCE: f64 = 2e-2;
const STEP: f32 = 5e-3;

fn loss_at(program: &Program, shift: &[f32], factor: f32, data: &(Vec<i32>, Vec<i32>)) -> f64 {
    let mut moved = program.clone();
    for (w, s) in moved.params.latent_mut().iter_mut().zip(shift) {
        *w += factor * s;
    }
    run_gradient(&mut moved, &data.0, &data.1).0
}

/// Compares the derivative along a random direction of each parameter, one parameter at a time.
fn check(name: &str, c: &Config, data: &(Vec<i32>, Vec<i32>)) {
    let mut p = program(c, 11);
    let (_, grad) = run_gradient(&mut p, &data.0, &data.1);
    for (i, place) in p.params.places().to_vec().iter().enumerate() {
        let rng = Rng::new(99, i as u64);
        let mut direction = vec![0.0f32; grad.len()];
        let scale = 1.0 / (place.len as f64).sqrt();
        for j in place.range() {
            direction[j] = (rng.normal(j as u64) * scale) as f32;
        }
        let up = loss_at(&p, &direction, STEP, data);
        let down = loss_at(&p, &direction, -STEP, data);
        let numeric = (up - down) / (2.0 * f64::from(STEP));
        let analytic: f64 =
            grad.iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
        let size = numeric.abs().max(analytic.abs()).max(2e-3);
        let error = (numeric - analytic).abs() / size;
        assert!(error < TOLERANCE, "{name} {}: numeric {numeric}, analytic {analytic}", place.name);
    }
}

#[test]
fn attention_and_relu_without_positions() {
    let c = li("none");
    check("li", &c, &addition(c.p, 3));
}

#[test]
fn positions_masks_and_biases() {
    // Smooth, since a bias that moves many neurons across ReLU's kink has no finite difference to compare with.
    let c = Config { act: "gelu", ..nanda() };
    check("nanda", &c, &addition(c.p, 3));
}

#[test]
fn norms_rotary_groups_and_gates() {
    let c = language_model();
    check("language model", &c, &text(&c, 4));
}

#[test]
fn every_elementwise_function() {
    for act in ["relu", "relu2", "gelu", "gelu_new", "silu"] {
        for gated in [false, true] {
            let c = Config { gated, act, ..language_model() };
            check(act, &c, &text(&c, 3));
        }
    }
}
