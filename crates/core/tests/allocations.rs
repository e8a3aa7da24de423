//! After the first step a trainer allocates nothing. The dense product's library is left out: it rearranges operands in memory of its own.
//!
//! On one thread, which is where the allocator counts.
mod support;

#[path = "../../kernels/tests/support/counting.rs"]
mod counting;

use support::{Config, addition, language_model, li, nanda, program, text};
use tritlens_core::train::Trainer;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn check(name: &str, c: &Config, data: &(Vec<i32>, Vec<i32>), config: &str) {
    let mut t = Trainer::new(&program(c, 1), config).unwrap();
    t.set_data(0, &data.0, &data.1).unwrap();
    let mut out = vec![0.0; 3 * t.columns().len()];
    t.steps(1, &mut out).unwrap();
    let seen = counting::allocations_of(|| {
        t.steps(2, &mut out).unwrap();
        t.evaluate(0).unwrap();
    });
    let ours: Vec<&String> = seen.iter().filter(|trace| !trace.contains("gemm_common")).collect();
    assert!(ours.is_empty(), "{name}: {} allocations, the first one by\n{}", ours.len(), ours[0]);
}

#[test]
fn a_step_after_the_first_allocates_nothing() {
    let counted = counting::allocations_of(|| drop(std::hint::black_box(vec![1u8; 100])));
    assert_eq!(counted.len(), 1, "the allocator counts");

    let batches = r#"{"batchSize":3}"#;
    let long =
        Config { seq: 20, layers: 1, quant: "ternary", act_quant: "int8", ..language_model() };
    check("attention in blocks, rotary, gated, int8", &long, &text(&long, 5), batches);
    let plain =
        Config { positions: true, rotary: false, gated: false, act: "gelu", ..language_model() };
    let plain = Config { layers: 1, ..plain };
    check("short sequences in mini-batches", &plain, &text(&plain, 5), batches);
    check("whole set", &nanda(), &addition(13, 3), "{}");
    let folded = Config { d: 64, heads: 2, kv_heads: 2, ..li("li_ternary") };
    check("folded", &folded, &addition(13, 1), "{}");
}
