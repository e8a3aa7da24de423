//! Packed layouts: published test vectors, exhaustive small cases, round trips, refusals.

use tritlens_kernels::layouts::{
    BlockFormat, I2sVariant, dequantize_blocks, f16_to_f32, hf_pack, hf_unpack, i2s_bytes,
    i2s_pack, i2s_unpack, pack_block_codes, quantize_blocks, unpack_block_codes,
};
use tritlens_kernels::{Format, PackError, pack, row_bytes, trit_byte, trit_digit, unpack};

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// `pattern` repeated to `len` bytes.
fn repeated(pattern: &str, len: usize) -> Vec<u8> {
    bytes(pattern).into_iter().cycle().take(len).collect()
}

/// `x[i] = (i mod 3) - 1`.
fn saw(len: usize) -> Vec<i8> {
    (0..len).map(|i| (i % 3) as i8 - 1).collect()
}

fn pseudo_random(len: usize) -> impl Iterator<Item = u32> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
    .take(len)
}

#[test]
fn all_243_trit_bytes_decode_to_their_digits() {
    for value in 0..243u8 {
        let digits = [value / 81, value / 27 % 3, value / 9 % 3, value / 3 % 3, value % 3];
        let byte = trit_byte(digits);
        let decoded: [u8; 5] = std::array::from_fn(|n| trit_digit(byte, n));
        assert_eq!(decoded, digits, "value {value}, byte {byte}");
    }
}

/// The bytes that no five trits produce are the ones ggml's format leaves out.
#[test]
fn thirteen_bytes_are_never_made() {
    let mut made = [false; 256];
    for value in 0..243u8 {
        made[trit_byte([value / 81, value / 27 % 3, value / 9 % 3, value / 3 % 3, value % 3])
            as usize] = true;
    }
    let missing: Vec<usize> = (0..256).filter(|&byte| !made[byte]).collect();
    assert_eq!(missing, [1, 20, 40, 60, 79, 99, 119, 138, 158, 178, 197, 217, 237]);
}

/// Every single-element placement: one +1 among -1s comes back at the same index, for all lengths to two blocks and one.
#[test]
fn own_formats_round_trip_at_every_length() {
    for format in Format::ALL {
        for cols in 0..=2 * format.block_codes() + 1 {
            let rows = 2;
            let codes: Vec<i8> = pseudo_random(rows * cols)
                .map(|r| {
                    if format == Format::Binary {
                        2 * (r >> 7 & 1) as i8 - 1
                    } else {
                        (r >> 7) as i8 % 2
                    }
                })
                .collect();
            let mut packed = vec![0xff; rows * row_bytes(format, cols)];
            pack(format, &codes, rows, cols, &mut packed).unwrap();
            let mut back = vec![7; rows * cols];
            unpack(format, &packed, rows, cols, &mut back).unwrap();
            assert_eq!(back, codes, "{format:?} {cols}");
        }
    }
}

/// THE layout rule, written out by hand: digit n of byte m is element 32 n + m.
#[test]
fn own_formats_follow_the_layout_rule() {
    for format in Format::ALL {
        for element in 0..format.block_codes() {
            let mut codes = vec![-1; format.block_codes()];
            codes[element] = 1;
            let mut packed = [0u8; 32];
            pack(format, &codes, 1, codes.len(), &mut packed).unwrap();
            let (n, m) = (element / 32, element % 32);
            let expected = match format {
                Format::Binary => 1u16 << n,
                Format::Ternary2 => 2 << (2 * n),
                Format::Ternary5 => (256 * 2 * 3u16.pow(4 - n as u32)).div_ceil(243),
            };
            for (byte, &found) in packed.iter().enumerate() {
                assert_eq!(u16::from(found), if byte == m { expected } else { 0 });
            }
        }
    }
}

#[test]
fn own_formats_refuse_what_they_cannot_hold() {
    let mut out = [0; 32];
    let zero = pack(Format::Binary, &[1, 0], 1, 2, &mut out);
    assert_eq!(zero, Err(PackError::Code { index: 1, code: 0 }));
    let two = pack(Format::Ternary5, &[1, 0, 2], 1, 3, &mut out);
    assert_eq!(two, Err(PackError::Code { index: 2, code: 2 }));
    let short = pack(Format::Ternary2, &[1], 1, 2, &mut out);
    assert_eq!(short, Err(PackError::Length { what: "codes", expected: 2, found: 1 }));
    let invalid = unpack(Format::Ternary2, &[0b11; 32], 1, 1, &mut [0]);
    assert_eq!(invalid, Err(PackError::Byte { index: 0, byte: 3 }));
}

#[test]
fn hugging_face_vector() {
    #[rustfmt::skip]
    let codes = [-1, 0, 1,  0, 1, -1,  1, -1, 0,  -1, -1, -1,  0, 0, 0,  1, 1, 1,  1, 0, -1,  0, -1, 1];
    let mut packed = [0; 6];
    hf_pack(&codes, 8, 3, &mut packed).unwrap();
    assert_eq!(packed, [152, 81, 22, 97, 34, 160]);
    let mut back = [0; 24];
    hf_unpack(&packed, 8, 3, &mut back).unwrap();
    assert_eq!(back, codes);
    assert_eq!(
        hf_unpack(&[0b1100_0000], 4, 1, &mut [0; 4]),
        Err(PackError::Byte { index: 0, byte: 192 })
    );
    assert_eq!(hf_pack(&[0; 6], 6, 1, &mut [0]), Err(PackError::Columns { multiple: 4, found: 6 }));
}

#[test]
fn tq_vectors() {
    let values: Vec<f32> = saw(256).iter().map(|&code| f32::from(code)).collect();
    let mut tq1 = repeated("45 6c cf", 32);
    tq1.extend(repeated("94 bb 31", 16));
    tq1.extend(bytes("30 92 bb 30 00 3c"));
    let mut tq2 = repeated("18 61 86", 32);
    tq2.extend(repeated("86 18 61", 32));
    tq2.extend(bytes("00 3c"));
    for (format, expected) in [(BlockFormat::Tq1_0, tq1), (BlockFormat::Tq2_0, tq2)] {
        let mut packed = vec![0; format.block_bytes()];
        quantize_blocks(format, &values, &mut packed).unwrap();
        assert_eq!(packed, expected, "{format:?}");
        let mut back = vec![0.0; 256];
        dequantize_blocks(format, &packed, &mut back).unwrap();
        assert_eq!(back, values);
    }
}

#[test]
fn constant_tq_blocks() {
    for (value, qs, qh, tq2) in [(0.0, 0x80, 0x7f, 0x55), (1.0, 0xff, 0xfd, 0xaa), (-1.0, 0, 0, 0)]
    {
        let mut packed = [0; 54];
        quantize_blocks(BlockFormat::Tq1_0, &[value; 256], &mut packed).unwrap();
        assert!(
            packed[..48].iter().all(|&byte| byte == qs)
                && packed[48..52].iter().all(|&byte| byte == qh)
        );
        let mut packed = [0; 66];
        quantize_blocks(BlockFormat::Tq2_0, &[value; 256], &mut packed).unwrap();
        assert!(packed[..64].iter().all(|&byte| byte == tq2));
    }
}

#[test]
fn i2_s_vector() {
    let codes = saw(256);
    let mut expected = repeated("24 49 92", 32);
    expected.extend(repeated("92 24 49", 32));
    expected.extend(1.5f32.to_le_bytes());
    expected.extend([0; 28]);
    let mut packed = vec![0xee; i2s_bytes(I2sVariant::X86, 256).unwrap()];
    i2s_pack(I2sVariant::X86, &codes, 1.5, &mut packed).unwrap();
    assert_eq!(packed, expected);
}

/// The two variants differ, and each reads back what it wrote.
#[test]
fn i2_s_variants() {
    let codes: Vec<i8> = pseudo_random(384).map(|r| (r >> 9) as i8 % 2).collect();
    let mut written = Vec::new();
    for variant in [I2sVariant::X86, I2sVariant::Neon] {
        let mut packed = vec![0; i2s_bytes(variant, codes.len()).unwrap()];
        i2s_pack(variant, &codes, 0.25, &mut packed).unwrap();
        let mut back = vec![0; codes.len()];
        assert_eq!(i2s_unpack(variant, &packed, &mut back), Ok(0.25));
        assert_eq!(back, codes);
        written.push(packed);
    }
    assert_ne!(written[0], written[1]);
    // NEON: element 16 shares byte 0 with element 0, one pair lower.
    let mut codes = [0; 64];
    (codes[0], codes[16]) = (1, -1);
    let mut packed = [0; 48];
    i2s_pack(I2sVariant::Neon, &codes, 1.0, &mut packed).unwrap();
    assert_eq!(packed[0], 0b10_00_01_01);
    assert_eq!(
        i2s_bytes(I2sVariant::X86, 64),
        Err(PackError::Columns { multiple: 128, found: 64 })
    );
}

#[test]
fn q1_0_and_q2_0_by_hand() {
    let mut values = [-0.5f32; 128];
    (values[0], values[9]) = (1.5, 0.0);
    let mut packed = [0; 18];
    quantize_blocks(BlockFormat::Q1_0, &values, &mut packed).unwrap();
    let mean = (126.0 * 0.5 + 1.5) / 128.0;
    assert!((f16_to_f32(u16::from_le_bytes([packed[0], packed[1]])) - mean).abs() < 1e-3);
    assert_eq!(packed[2..5], [1, 2, 0]);

    let mut values = [0.0f32; 64];
    (values[0], values[1], values[5], values[6]) = (-2.0, 2.0, 1.0, 0.99);
    quantize_blocks(BlockFormat::Q2_0, &values, &mut packed).unwrap();
    assert_eq!(packed[..4], [0x00, 0x40, 0b01_01_10_00, 0b01_01_10_01]);
    let mut back = [0.0; 64];
    packed[3] |= 0b11;
    dequantize_blocks(BlockFormat::Q2_0, &packed, &mut back).unwrap();
    assert_eq!(back[..6], [-2.0, 2.0, 0.0, 0.0, 4.0, 2.0]);
}

#[test]
fn q8_0_and_q4_0_by_hand() {
    let mut values = [0.0f32; 32];
    (values[0], values[1], values[31]) = (127.0, -63.5, 2.5);
    let mut packed = [0; 34];
    quantize_blocks(BlockFormat::Q8_0, &values, &mut packed).unwrap();
    // Half away from zero, scale first.
    assert_eq!((packed[..4].to_vec(), packed[33]), (vec![0x00, 0x3c, 127, -64i8 as u8], 3));

    (values[0], values[1], values[31]) = (-8.0, 7.0, 3.5);
    let mut packed = [0; 18];
    quantize_blocks(BlockFormat::Q4_0, &values, &mut packed).unwrap();
    assert_eq!(packed[..4], [0x00, 0x3c, 0x80, 0x8f]);
    assert_eq!(packed[17], 0xc8);
}

/// Every code at every index of every format survives codes -> bytes -> codes.
#[test]
fn block_codes_round_trip() {
    for format in BlockFormat::ALL {
        let (low, high) = format.code_range();
        let n = 2 * format.block_values();
        for shift in 0..=u8::from(format != BlockFormat::Q8_0) * 14 {
            let span = i32::from(high) - i32::from(low) + 1;
            let codes: Vec<i8> = (0..n as i32)
                .map(|i| (i32::from(low) + (i * 7 + i32::from(shift)) % span) as i8)
                .map(|c| if format == BlockFormat::Q1_0 && c == 0 { 1 } else { c })
                .collect();
            let mut packed = vec![0xee; format.bytes(n).unwrap()];
            pack_block_codes(format, &codes, 0.5, &mut packed).unwrap();
            let (mut back, mut scales) = (vec![0; n], [0.0; 2]);
            unpack_block_codes(format, &packed, &mut back, &mut scales).unwrap();
            assert_eq!((back, scales), (codes, [0.5; 2]), "{format:?}");
        }
    }
}

/// Zeros, infinities, NaN and denormals make valid blocks, and never a panic.
#[test]
fn hostile_values_do_not_panic() {
    for format in BlockFormat::ALL {
        for value in [0.0, -0.0, f32::NAN, f32::INFINITY, f32::MIN, f32::MIN_POSITIVE, 1e-45] {
            let mut values = vec![0.5 * value; format.block_values()];
            values[3] = value;
            let mut packed = vec![0; format.block_bytes()];
            quantize_blocks(format, &values, &mut packed).unwrap();
            dequantize_blocks(format, &packed, &mut values).unwrap();
        }
        let wrong = quantize_blocks(format, &[0.0; 31], &mut []);
        assert!(matches!(wrong, Err(PackError::Columns { .. })));
    }
}
