//! Dense products against the triple loop. `examples/agree.rs` runs the same functions in WebAssembly.

use tritlens_kernels::{View, gemm, matmul};

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + 13) % 31) as f32 - 15.0).collect()
}

/// Small integers: every product and sum is exact, so any order gives the same bits.
#[cfg_attr(test, test)]
pub(crate) fn equals_the_triple_loop_for_all_transposes() {
    for (m, n, k) in [
        (1, 1, 1),
        (3, 5, 7),
        (1, 40, 9),
        (1, 70, 300),
        (70, 1, 300),
        (1, 3, 0),
        (33, 1, 17),
        (20, 35, 64),
        (5, 4, 0),
        (101, 523, 300),
    ] {
        let (a, b, c0) = (numbers(m * k), numbers(k * n), numbers(m * n));
        for transposes in 0..4 {
            let a = if transposes & 1 == 0 { View::rows(&a, k) } else { View::rows(&a, m).t() };
            let b = if transposes & 2 == 0 { View::rows(&b, n) } else { View::rows(&b, k).t() };
            let at = |v: View<'_>, i, j| v.data[i * v.row_stride + j * v.col_stride];
            for beta in [0.0, 1.0, 2.0] {
                let mut c = c0.clone();
                gemm((m, n, k), 3.0, a, b, beta, &mut c, (n, 1));
                let mut columns: Vec<f32> = (0..m * n).map(|at| c0[at % m * n + at / m]).collect();
                gemm((m, n, k), 3.0, a, b, beta, &mut columns, (1, m));
                for i in 0..m {
                    for j in 0..n {
                        let sum: f32 = (0..k).map(|l| at(a, i, l) * at(b, l, j)).sum();
                        let expected = beta * c0[i * n + j] + 3.0 * sum;
                        assert_eq!((c[i * n + j], columns[j * m + i]), (expected, expected));
                    }
                }
            }
        }
    }
}

#[cfg_attr(test, test)]
pub(crate) fn beta_zero_does_not_read_the_result() {
    let mut c = [f32::NAN; 4];
    matmul(2, 2, 1, &[1.0, 2.0], &[3.0, 4.0], 0.0, &mut c);
    assert_eq!(c, [3.0, 4.0, 6.0, 8.0]);
}

#[cfg(test)]
#[test]
#[should_panic(expected = "a has 5 elements")]
fn short_operand() {
    matmul(2, 2, 3, &[0.0; 5], &[0.0; 6], 0.0, &mut [0.0; 4]);
}

#[cfg(test)]
#[test]
#[should_panic(expected = "overlap")]
fn overlapping_result() {
    let (a, b) = (View::rows(&[0.0; 4], 2), View::rows(&[0.0; 4], 2));
    gemm((2, 2, 2), 1.0, a, b, 0.0, &mut [0.0; 4], (1, 1));
}
