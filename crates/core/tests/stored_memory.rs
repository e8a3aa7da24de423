//! A stored matrix holds what it says, and loading it never holds more than the file's bytes and the matrix at once.

#[path = "../../kernels/tests/support/peak.rs"]
mod peak;

use tritlens_core::formats;
use tritlens_core::stored::Stored;

#[global_allocator]
static ALLOCATOR: peak::Peak = peak::Peak;

/// Rows that are unpacked at once, names, lines of the cache.
const SLACK: usize = 32 << 10;

#[test]
fn loading_holds_the_file_and_the_matrix_at_most() {
    let (rows, cols) = (1024, 2560);
    let value = |i: usize| (i * 37 % 101) as f32 / 64.0 * (1 + i / 256 % 3) as f32;
    let values: Vec<f32> = (0..rows * cols).map(value).collect();
    let codes: Vec<i8> = (0..rows * cols).map(|i| 1 - 2 * (i as i8 & 1)).collect();
    for format in [
        "f32",
        "f16",
        "q8_0",
        "q4_k",
        "tq1_0",
        "tq2_0",
        "q1_0",
        "hf",
        "i2_s",
        "i2_s_neon",
        "ternary5",
    ] {
        let bytes = Stored::bytes_of(format, rows, cols).unwrap();
        for scales_differ in [false, true] {
            let mut file = vec![0; bytes];
            if scales_differ && format != "q4_k" {
                if formats::quantize_blocks(format, &values, cols, &mut file).is_err() {
                    continue;
                }
            } else if formats::pack(format, &codes, rows, cols, 1.0, &mut file).is_err() {
                // Floats have no codes, and zeros are as good as any.
                file.fill(0);
            }
            let (stored, held, most) = peak::bytes_of(|| {
                let mut filling = Stored::filling(format, rows, cols, 1.0).unwrap();
                filling.write(0, &file).unwrap();
                filling.finish().unwrap()
            });
            let info = stored.info();
            let says = info.bytes + 4 * (info.scales + info.shifts);
            assert!(held <= says + SLACK, "{format}: holds {held}, says {says}");
            let copies =
                if stored.is_packed() && !format.starts_with("ternary") { bytes } else { 0 };
            assert!(most <= copies + says + SLACK, "{format}: {most} for {copies} + {says}");
        }
    }
}
