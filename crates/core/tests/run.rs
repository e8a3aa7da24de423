//! The step machine: pauses in order, edits and their gradients, and every refusal.
mod support;

use support::{Config, addition, li, nanda, program};
use tritlens_core::program::{Grads, Program, Run};

fn open(p: &Program, grad: bool) -> (Run, Vec<f32>) {
    let run = Run::open(p, 2, 3, if grad { Grads::All } else { Grads::None }).unwrap();
    let arena = vec![0.0; run.info().arena_length];
    (run, arena)
}

const TOKENS: [i32; 6] = [1, 2, 13, 5, 7, 13];

fn names(p: &Program, sites: &[i32]) -> Vec<String> {
    sites.iter().map(|&s| p.spec.sites[s as usize].name.clone()).collect()
}

#[test]
fn pauses_at_every_site_forward_and_in_reverse_backward() {
    let p = program(&nanda(), 1);
    let (mut run, mut arena) = open(&p, true);
    run.set_tokens(&p, &TOKENS).unwrap();
    let all = vec![1; p.spec.sites.len()];
    run.set_pause(&all, &all).unwrap();
    let mut forward = vec![];
    loop {
        match run.step(&p, &mut arena).unwrap() {
            -1 => break,
            site => forward.push(site),
        }
    }
    assert_eq!(names(&p, &forward)[..3], ["hook_embed", "hook_pattern.0", "hook_z.0"]);
    assert_eq!(forward.len(), p.spec.sites.len());
    run.loss(&p, &mut arena, &[3, 12]).unwrap();
    let mut backward = vec![];
    loop {
        match run.step_back(&p, &mut arena).unwrap() {
            -1 => break,
            site => backward.push(site),
        }
    }
    forward.reverse();
    assert_eq!(forward, backward);
    assert_eq!(run.step_back(&p, &mut arena).unwrap(), -1);
}

#[test]
fn what_a_hook_writes_is_what_later_nodes_read() {
    let p = program(&li("none"), 1);
    let (mut run, mut arena) = open(&p, false);
    run.set_tokens(&p, &TOKENS).unwrap();
    let site = p.spec.sites.iter().position(|s| s.name == "hook_resid_post.0").unwrap();
    let mut pause = vec![0; p.spec.sites.len()];
    pause[site] = 1;
    run.set_pause(&pause, &vec![0; pause.len()]).unwrap();
    assert_eq!(run.step(&p, &mut arena).unwrap(), site as i32);
    let place = run.info().sites[site].clone();
    let row = arena[place.offset..place.offset + 16].to_vec();
    for r in 0..6 {
        arena[place.offset + r * 16..place.offset + (r + 1) * 16].copy_from_slice(&row);
    }
    assert_eq!(run.step(&p, &mut arena).unwrap(), -1);
    let out = run.info().output.clone();
    let logits = &arena[out.offset..out.offset + out.length];
    assert_eq!(logits[..13], logits[13..], "both examples now have the same last row");
}

/// d loss / d factor of a scale edit, by finite difference and through the gradient before and after it.
#[test]
fn edits_carry_gradients() {
    let c = Config { act: "gelu", ..nanda() };
    let p = program(&c, 3);
    let site = p.spec.sites.iter().position(|s| s.name == "hook_z.0").unwrap() as i32;
    let embed = p.spec.sites.iter().position(|s| s.name == "hook_embed").unwrap();
    let run_with = |kind: i32, data: &[f32], shift: f32| {
        let (mut run, mut arena) = open(&p, true);
        run.set_tokens(&p, &TOKENS).unwrap();
        let n = data.len() as i32;
        let mut ints = vec![site, kind, 0, 2, 0, 3, 1, 2, 0, 4, 0, n];
        // A constant added to the embedding: its derivative must equal the embedding's gradient summed.
        ints.extend([embed as i32, 3, 0, 2, 0, 3, 0, 16, 0, 0, n, 1]);
        let floats: Vec<f32> = data.iter().copied().chain([shift]).collect();
        run.set_edits(&ints, &floats).unwrap();
        run.step(&p, &mut arena).unwrap();
        let loss = run.loss(&p, &mut arena, &[3, 12]).unwrap();
        run.step_back(&p, &mut arena).unwrap();
        let at = run.info().sites[embed].grad_offset as usize;
        let sum: f64 = arena[at..at + 96].iter().map(|&g| f64::from(g)).sum();
        (loss, sum)
    };
    for (kind, data) in [
        (0, vec![]),
        (1, vec![]),
        (2, vec![0.3]),
        (3, vec![0.3]),
        (4, vec![-1.5]),
        (5, vec![1.0, 0.5, 0.0, -1.0]),
    ] {
        let h = 5e-3;
        let (up, down) = (run_with(kind, &data, h).0, run_with(kind, &data, -h).0);
        let numeric = (up - down) / (2.0 * f64::from(h));
        let analytic = run_with(kind, &data, 0.0).1;
        let size = numeric.abs().max(0.05);
        assert!((numeric - analytic).abs() / size < 2e-2, "kind {kind}: {numeric} and {analytic}");
    }
}

#[test]
fn refuses_misuse_and_stays_usable() {
    let p = program(&li("none"), 1);
    assert_eq!(Run::open(&p, 0, 3, Grads::None).unwrap_err().code, "E_RANGE");
    assert_eq!(Run::open(&p, 1, 4, Grads::None).unwrap_err().code, "E_RANGE");
    assert_eq!(Run::open(&p, 1 << 29, 3, Grads::None).unwrap_err().code, "E_MEMORY");
    let (mut run, mut arena) = open(&p, false);
    assert_eq!(run.step(&p, &mut arena).unwrap_err().code, "E_BUSY");
    assert_eq!(run.set_tokens(&p, &TOKENS[1..]).unwrap_err().code, "E_SHAPE");
    assert_eq!(run.set_tokens(&p, &[1, 2, 14, 0, 0, 0]).unwrap_err().code, "E_RANGE");
    assert_eq!(run.set_tokens(&p, &[1, 2, -1, 0, 0, 0]).unwrap_err().code, "E_RANGE");
    run.set_tokens(&p, &TOKENS).unwrap();
    assert_eq!(run.step(&p, &mut []).unwrap_err().code, "E_DETACHED");
    assert_eq!(run.step(&p, &mut arena[1..]).unwrap_err().code, "E_SHAPE");
    assert_eq!(run.loss(&p, &mut arena, &[0, 0]).unwrap_err().code, "E_BUSY");
    assert_eq!(run.step(&p, &mut arena).unwrap(), -1);
    assert_eq!(run.loss(&p, &mut arena, &[0, 13]).unwrap_err().code, "E_RANGE");
    assert!(run.loss(&p, &mut arena, &[0, -1]).unwrap().is_finite());
    assert_eq!(run.seed_grad(&mut arena, &[0.0; 26]).unwrap_err().code, "E_SHAPE");
    assert_eq!(run.param_grad().unwrap_err().code, "E_MODE");
    assert_eq!(open(&p, true).0.param_grad().unwrap_err().code, "E_BUSY");
}

#[test]
fn a_bad_spec_is_refused_with_its_place() {
    let good = support::spec(&li("none"));
    for (from, to) in [
        ("\"op\":\"mix\"", "\"op\":\"mixx\""),
        ("\"heads\":4", "\"heads\":5"),
        ("\"vocab\":14", "\"vocab\":15"),
        ("\"output\"", "\"outputs\""),
        ("\"eps\":0.0", "\"eps\":1e999"),
        ("[\"batch\",\"seq\",16]", "[\"batch\",\"seqs\",16]"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = Program::compile(&good.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.code, "E_SPEC", "{to}: {error}");
    }
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Program::compile(&deep).unwrap_err().code, "E_SPEC");
    let (tokens, targets) = addition(13, 2);
    let p = program(&li("none"), 1);
    let data = |t: &[i32], y: &[i32]| {
        tritlens_core::train::Data::new(&p, t, y, true, 99).unwrap_err().code
    };
    assert_eq!(data(&tokens[1..], &targets), "E_SHAPE");
    assert_eq!(data(&[], &[]), "E_SHAPE");
    assert_eq!(data(&[0, 1, 13], &[13]), "E_RANGE");
}
