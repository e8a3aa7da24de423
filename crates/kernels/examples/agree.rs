//! The tests of `tests/agree.rs` as a plain program, for targets without a test harness: a failure panics.
//!
//! `node crates/kernels/run-wasm.mjs agree` builds it for WebAssembly and runs it. A test that is missing from the list below is reported by the
//! compiler as dead code.

#[path = "../tests/agree.rs"]
mod agree;
#[path = "../tests/dense.rs"]
mod dense;
mod host;

const TESTS: [(&str, fn()); 20] = [
    ("the_expected_tables_run", agree::the_expected_tables_run),
    ("elementwise", agree::elementwise),
    ("reductions", agree::reductions),
    ("mixed_rows", agree::mixed_rows),
    ("every_alignment", agree::every_alignment),
    ("softmax", agree::softmax),
    ("exp_over_its_range", agree::exp_over_its_range),
    ("cross_entropy", agree::cross_entropy),
    ("adamw", agree::adamw),
    ("quantisers", agree::quantisers),
    ("activation_quantiser", agree::activation_quantiser),
    ("count_of_differences", agree::count_of_differences),
    ("packed_f32", agree::packed::packed_f32),
    ("packed_i8", agree::packed::packed_i8),
    ("bits", agree::packed::bits),
    ("rows_with_gaps", agree::packed::rows_with_gaps),
    ("long_rows_of_extremes_do_not_overflow", agree::packed::long_rows_of_extremes_do_not_overflow),
    ("any_bytes_agree", agree::packed::any_bytes_agree),
    ("equals_the_triple_loop", dense::equals_the_triple_loop_for_all_transposes),
    ("beta_zero_does_not_read_the_result", dense::beta_zero_does_not_read_the_result),
];

fn main() {
    for (name, test) in TESTS {
        test();
        host::say(&format!("{name} ... ok"));
    }
    host::say(&format!("{} tests, compared {}", TESTS.len(), agree::tables().join(", ")));
}
