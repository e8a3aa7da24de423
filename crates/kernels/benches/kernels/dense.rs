//! The dense f32 product, one thread: `c[m, n] = a[m, k] w[n, k]^T`, with weights as layers store them.

use tritlens_kernels::{View, gemm};

use super::case::Case;
use super::host;
use super::inputs::floats;
use super::request::Request;

/// The product at a shape, after a few of its elements were compared with f64.
pub(crate) fn case(m: usize, n: usize, k: usize) -> Result<Case, String> {
    let (a, b) = (floats(m * k), floats(n * k));
    let mut c = vec![f32::NAN; m * n];
    gemm((m, n, k), 1.0, View::rows(&a, k), View::rows(&b, k).t(), 0.0, &mut c, (n, 1));
    for (i, j) in [(0, 0), (m / 2, n - 1), (m - 1, n / 3)] {
        let row = a[i * k..][..k].iter().zip(&b[j * k..][..k]);
        let exact: f64 = row.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        let found = f64::from(c[i * n + j]);
        if (found - exact).abs() > 1e-6 * k as f64 {
            return Err(format!("dense {m}x{n}x{k}: {found} where {exact} is right"));
        }
    }
    let run = move |repeats| {
        let start = host::now();
        for _ in 0..repeats {
            gemm((m, n, k), 1.0, View::rows(&a, k), View::rows(&b, k).t(), 0.0, &mut c, (n, 1));
        }
        host::now() - start
    };
    Ok(Case::new((m * n * k) as f64, run))
}

/// Opens `{"name":"dense","m","rows","cols"}`.
pub(crate) fn open(request: &Request) -> Result<Case, String> {
    case(request.count("m")?, request.count("rows")?, request.count("cols")?)
}
