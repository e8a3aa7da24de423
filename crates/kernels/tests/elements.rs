//! Numbers of checkpoints against gguf-py, and halves by hand.

use tritlens_kernels::PackError;
use tritlens_kernels::layouts::{Elements, dequantize, f32_to_bf16, quantize};

/// Random blocks with the values that gguf-py reads from them, see data/kquants.py.
#[test]
fn k_quants_are_those_of_gguf() {
    let mut rest: &[u8] = include_bytes!("data/kquants.bin");
    for elements in [Elements::Q4K, Elements::Q6K] {
        let (blocks, after) = rest.split_at(elements.bytes(8 * 256).unwrap());
        let (expected, after) = after.split_at(8 * 256 * 4);
        rest = after;
        let mut values = vec![f32::NAN; 8 * 256];
        dequantize(elements, blocks, &mut values).unwrap();
        for (i, (value, bytes)) in values.iter().zip(expected.chunks_exact(4)).enumerate() {
            assert_eq!(value.to_le_bytes(), bytes, "{elements:?} [{i}] {value}");
        }
    }
    assert!(rest.is_empty());
    let written = quantize(Elements::Q4K, &[0.0; 256], &mut [0; 144]);
    assert_eq!(written, Err(PackError::ReadOnly("q4_k")));
}

/// Halves and bfloat16 numbers go in and out, rounded to nearest even.
#[test]
fn floats_of_sixteen_bits() {
    let values = [1.0, -2.5, 1e-7, 65504.0, 1.003_906_3, f32::INFINITY, 0.0, f32::NAN];
    let mut bytes = [0; 16];
    quantize(Elements::Bf16, &values, &mut bytes).unwrap();
    assert_eq!(bytes[..4], [0x80, 0x3f, 0x20, 0xc0]);
    // Half-way between 0x3f80 and 0x3f81: the even one; then the smallest number above it.
    assert_eq!(bytes[8..10], [0x80, 0x3f]);
    assert_eq!(f32_to_bf16(1.003_906_4), 0x3f81);
    assert_eq!(f32_to_bf16(f32::MAX), 0x7f80);
    for elements in [Elements::F32, Elements::F16, Elements::Bf16] {
        let mut bytes = vec![0; elements.bytes(8).unwrap()];
        quantize(elements, &values, &mut bytes).unwrap();
        let (mut once, mut again) = ([0.0; 8], bytes.clone());
        dequantize(elements, &bytes, &mut once).unwrap();
        quantize(elements, &once, &mut again).unwrap();
        assert_eq!(again, bytes, "{elements:?}");
        assert!(once[7].is_nan() && once[5] == f32::INFINITY && once[0] == 1.0);
    }
}
