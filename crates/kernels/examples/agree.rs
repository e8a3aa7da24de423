//! The tests of `tests/agree.rs` as a plain program, for targets without a test harness: a failure panics.
//!
//! `node crates/kernels/run-wasm.mjs agree` builds it for WebAssembly and runs it. A test that is missing from the list below is reported by the
//! compiler as dead code.

#[path = "../tests/agree.rs"]
mod agree;
#[path = "../tests/dense.rs"]
mod dense;
mod host;
#[path = "../tests/quads.rs"]
mod quads;

const TESTS: [(&str, fn()); 37] = [
    ("the_expected_tables_run", agree::the_expected_tables_run),
    ("elementwise", agree::elementwise),
    ("smooth_activations", agree::smooth_activations),
    ("norms", agree::norms),
    ("reductions", agree::reductions),
    ("mixed_rows", agree::mixed_rows),
    ("attended_rows", agree::attended_rows),
    ("row_products", agree::row_products),
    ("every_alignment", agree::every_alignment),
    ("softmax", agree::softmax),
    ("exp_over_its_range", agree::exp_over_its_range),
    ("cross_entropy", agree::cross_entropy),
    ("adamw", agree::adamw),
    ("quantisers", agree::quantisers),
    ("activation_quantiser", agree::activation_quantiser),
    ("count_of_differences", agree::count_of_differences),
    ("element_products", agree::elements::element_products),
    ("every_half", agree::elements::every_half),
    ("element_products_are_dots", agree::elements::element_products_are_dots),
    ("packed_f32", agree::packed::packed_f32),
    ("packed_i8", agree::packed::packed_i8),
    ("packed_groups", agree::packed::packed_groups),
    ("bits", agree::packed::bits),
    ("rows_with_gaps", agree::packed::rows_with_gaps),
    ("long_rows_of_extremes_do_not_overflow", agree::packed::long_rows_of_extremes_do_not_overflow),
    ("any_bytes_agree", agree::packed::any_bytes_agree),
    ("empty_and_single_products", agree::edges::empty_and_single_products),
    ("no_rows", agree::edges::no_rows),
    ("bytes_at_every_place", agree::edges::bytes_at_every_place),
    ("scales_that_are_no_numbers", agree::edges::scales_that_are_no_numbers),
    ("rows_of_one_value", agree::edges::rows_of_one_value),
    ("equals_the_triple_loop", dense::equals_the_triple_loop_for_all_transposes),
    ("beta_zero_does_not_read_the_result", dense::beta_zero_does_not_read_the_result),
    ("quads_lose_nothing", quads::nothing_is_lost),
    ("quads_are_exact", quads::products_are_exact),
    ("quads_do_not_overflow", quads::fields_do_not_overflow),
    ("quads_refuse_what_is_no_code", quads::what_is_no_code_is_refused),
];

fn main() {
    // A panic ends WebAssembly without a word of its own.
    std::panic::set_hook(Box::new(|info| host::say(&info.to_string())));
    for (name, test) in TESTS {
        test();
        host::say(&format!("{name} ... ok"));
    }
    host::say(&format!("{} tests, compared {}", TESTS.len(), agree::tables().join(", ")));
}
