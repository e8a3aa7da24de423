//! `AdamW` against `PyTorch` (data/adamw.py), and the bias of the first steps.

use serde_json::Value;
use tritlens_kernels::{AdamHyper, adamw};

fn floats(v: &Value) -> Vec<f32> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// `PyTorch` may fuse a multiply and an add; each such place differs by at most half an ulp a step, of the largest number that is added up:
/// the parameter before or after, or the step of about `lr`.
const ULPS: f32 = 2.0;

#[test]
fn equals_pytorch_step_by_step() {
    let data: Value = serde_json::from_str(include_str!("data/adamw.json")).unwrap();
    for case in data["cases"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let mut p = floats(&data["start"]);
        let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
        let steps = data["grads"].as_array().unwrap().iter().zip(case["after"].as_array().unwrap());
        for (i, (grad, after)) in steps.enumerate() {
            let (lr, decay) = (number("lr"), number("weightDecay"));
            let (b1, b2, eps) = (number("beta1"), number("beta2"), number("eps"));
            let hyper = AdamHyper::new(lr, b1, b2, eps, decay, i as u64 + 1);
            let before = p.clone();
            adamw(&mut p, &floats(grad), &mut m, &mut v, &hyper);
            for (j, (&ours, theirs)) in p.iter().zip(floats(after)).enumerate() {
                let scales = [theirs.abs(), before[j].abs(), lr as f32];
                let largest = scales.into_iter().fold(0.0_f32, |a, b| if a > b { a } else { b });
                let ulp = largest * f32::EPSILON;
                let off = (ours - theirs).abs() / ulp;
                assert!(
                    off <= ULPS * (i + 1) as f32,
                    "lr {lr} step {i} [{j}]: {ours} and {theirs}"
                );
            }
        }
    }
}
