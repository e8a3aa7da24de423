//! Numbers of checkpoints, widened to f32 and multiplied.
//!
//! ```text
//! widen: values[i] = number(i)
//! element_rows: for each row: y = dot(widened row, x)
//! ```
//! Departures, and why:
//! 1. A row is never widened into memory: 16 numbers are, into a register, where they are multiplied.
//! 2. `R` rows share each load of x and have sums of their own; one sum alone would wait for itself.
//! 3. Lines are asked for in advance, as for packed weights (`packed_i8::ahead`).
//! 4. An integer below 2^23 becomes a float by being or-ed into the mantissa of 2^23, which is then taken off: exact, and needs no conversion.

use super::W;
use super::packed_i8::ahead;
use crate::arch::LEAN;
use crate::lanes::{Bytes, Lanes};
use crate::layouts::{BlockFormat, Elements, f16_to_f32, kquants};
use crate::scalar;

/// One kind of [`Elements`], in blocks of whole vectors.
trait Numbers {
    const KIND: Elements;
    /// Values of a block.
    const VALUES: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Scales, taken from a block once.
    type Scales: Copy;

    /// Reads the scales of a block.
    ///
    /// # Safety
    /// A block lies behind the pointer.
    unsafe fn scales(block: *const u8) -> Self::Scales;

    /// Values `16 n..16 n + 16` of a block.
    ///
    /// # Safety
    /// A block lies behind the pointer, n is below `VALUES / 16`, and the caller has the instruction set.
    unsafe fn part<L: Lanes>(block: *const u8, scales: &Self::Scales, n: usize) -> L::F;
}

/// Integers 0..2^23, less `minus`, as floats.
#[inline(always)]
unsafe fn float<L: Lanes>(a: L::I, minus: f32) -> L::F {
    // SAFETY: registers only; the caller has the instruction set.
    unsafe { L::sub(L::float(L::iadd(a, L::isplat(0x4b00_0000))), L::splat(8_388_608.0 + minus)) }
}

/// Bits `shift..shift + n` of 16 bytes, with `mask` = 2^n - 1.
#[inline(always)]
unsafe fn field<L: Lanes>(from: *const u8, shift: u32, mask: i32) -> L::I {
    // SAFETY: the caller has the instruction set and 16 bytes.
    unsafe { L::iand(L::ishr(L::digits(from), shift), L::isplat(mask)) }
}

/// The bytes of a block as a slice.
///
/// # Safety
/// N bytes lie behind the pointer.
#[inline(always)]
unsafe fn block<'a, const N: usize>(from: *const u8) -> &'a [u8; N] {
    // SAFETY: the caller's bytes; an array of bytes has no alignment.
    unsafe { &*from.cast() }
}

/// A half precision scale.
#[inline(always)]
fn half(bytes: [u8; 2]) -> f32 {
    f16_to_f32(u16::from_le_bytes(bytes))
}

struct F32;
struct F16;
struct Bf16;
struct Q8;
struct Q4;
struct Q2;
struct Q4K;
struct Q6K;

/// Kinds without blocks: 16 numbers are one.
macro_rules! plain {
    ($name:ident, $kind:expr, $bytes:literal, $from:ident, $load:expr) => {
        impl Numbers for $name {
            const KIND: Elements = $kind;
            const VALUES: usize = W;
            const BYTES: usize = $bytes * W;
            type Scales = ();

            #[inline(always)]
            unsafe fn scales(_block: *const u8) {}

            #[inline(always)]
            unsafe fn part<L: Lanes>($from: *const u8, _scales: &(), _n: usize) -> L::F {
                // SAFETY: the caller has the instruction set and a block.
                unsafe { $load }
            }
        }
    };
}

plain!(F32, Elements::F32, 4, from, L::load(from.cast()));
plain!(F16, Elements::F16, 2, from, L::f16(from));
plain!(Bf16, Elements::Bf16, 2, from, L::float(L::ishl(L::halves(from), 16)));

impl Numbers for Q8 {
    const KIND: Elements = Elements::Block(BlockFormat::Q8_0);
    const VALUES: usize = 32;
    const BYTES: usize = 34;
    type Scales = f32;

    #[inline(always)]
    unsafe fn scales(from: *const u8) -> f32 {
        // SAFETY: a block has a scale.
        unsafe { half(*block::<2>(from)) }
    }

    #[inline(always)]
    unsafe fn part<L: Lanes>(from: *const u8, scale: &f32, n: usize) -> L::F {
        // SAFETY: the caller's block and instruction set.
        unsafe {
            // A two's complement byte plus 128 is the code plus 128.
            let bytes = L::iadd(L::digits(from.add(2 + W * n)), L::isplat(128));
            L::mul(float::<L>(L::iand(bytes, L::isplat(255)), 128.0), L::splat(*scale))
        }
    }
}

impl Numbers for Q4 {
    const KIND: Elements = Elements::Block(BlockFormat::Q4_0);
    const VALUES: usize = 32;
    const BYTES: usize = 18;
    type Scales = f32;

    #[inline(always)]
    unsafe fn scales(from: *const u8) -> f32 {
        // SAFETY: a block has a scale.
        unsafe { half(*block::<2>(from)) }
    }

    #[inline(always)]
    unsafe fn part<L: Lanes>(from: *const u8, scale: &f32, n: usize) -> L::F {
        // SAFETY: the caller's block and instruction set.
        unsafe {
            let nibbles = field::<L>(from.add(2), 4 * n as u32, 15);
            L::mul(float::<L>(nibbles, 8.0), L::splat(*scale))
        }
    }
}

/// The four codes of each byte.
const FOUR: [[f32; 4]; 256] = {
    let mut table = [[0.0; 4]; 256];
    let mut i = 0;
    while i < 4 * 256 {
        table[i / 4][i % 4] = (((i / 4) >> (2 * (i % 4))) & 3) as f32 - 1.0;
        i += 1;
    }
    table
};

impl Numbers for Q2 {
    const KIND: Elements = Elements::Block(BlockFormat::Q2_0);
    const VALUES: usize = 64;
    const BYTES: usize = 18;
    type Scales = f32;

    #[inline(always)]
    unsafe fn scales(from: *const u8) -> f32 {
        // SAFETY: a block has a scale.
        unsafe { half(*block::<2>(from)) }
    }

    #[inline(always)]
    unsafe fn part<L: Lanes>(from: *const u8, scale: &f32, n: usize) -> L::F {
        // SAFETY: the caller's block and instruction set.
        unsafe {
            let bytes = block::<4>(from.add(2 + 4 * n));
            let mut codes = [[0.0f32; 4]; 4];
            for byte in 0..4 {
                codes[byte] = FOUR[bytes[byte] as usize];
            }
            L::mul(L::load(codes.as_ptr().cast()), L::splat(*scale))
        }
    }
}

impl Numbers for Q4K {
    const KIND: Elements = Elements::Q4K;
    const VALUES: usize = kquants::VALUES;
    const BYTES: usize = kquants::Q4_K_BYTES;
    type Scales = [(f32, f32); 8];

    #[inline(always)]
    unsafe fn scales(from: *const u8) -> Self::Scales {
        // SAFETY: the caller's block.
        unsafe { kquants::q4_k_scales(block::<{ kquants::Q4_K_BYTES }>(from)) }
    }

    #[inline(always)]
    unsafe fn part<L: Lanes>(from: *const u8, scales: &Self::Scales, n: usize) -> L::F {
        let (scale, min) = scales[n / 2];
        // SAFETY: the caller's block and instruction set.
        unsafe {
            let bytes = from.add(16 + n / 4 * 32 + n % 2 * W);
            let nibbles = float::<L>(field::<L>(bytes, 4 * (n as u32 / 2 % 2), 15), 0.0);
            L::sub(L::mul(nibbles, L::splat(scale)), L::splat(min))
        }
    }
}

impl Numbers for Q6K {
    const KIND: Elements = Elements::Q6K;
    const VALUES: usize = kquants::VALUES;
    const BYTES: usize = kquants::Q6_K_BYTES;
    type Scales = [f32; 16];

    #[inline(always)]
    unsafe fn scales(from: *const u8) -> Self::Scales {
        // SAFETY: the caller's block.
        unsafe { kquants::q6_k_scales(block::<{ kquants::Q6_K_BYTES }>(from)) }
    }

    #[inline(always)]
    unsafe fn part<L: Lanes>(from: *const u8, scales: &Self::Scales, n: usize) -> L::F {
        let (half, part, lane) = (n / 8, n / 2 % 4, n % 2 * W);
        // SAFETY: the caller's block and instruction set.
        unsafe {
            let low = from.add(half * 64 + part % 2 * 32 + lane);
            let low = field::<L>(low, 4 * (part as u32 / 2), 15);
            let high = field::<L>(from.add(128 + half * 32 + lane), 2 * part as u32, 3);
            let six = float::<L>(L::iadd(low, L::ishl(high, 4)), 32.0);
            L::mul(six, L::splat(scales[n]))
        }
    }
}

/// Calls a body for a kind, or the scalar one for those that are not multiplied as they are (and, in a lean build, for those that are rare).
macro_rules! with_kind {
    ($elements:expr, $body:ident::<$($rest:ty),*$(; $r:ident)?>($($arg:expr),*), $other:expr) => {
        match $elements {
            Elements::F32 => $body::<$($rest,)* F32 $(, $r)?>($($arg),*),
            Elements::F16 => $body::<$($rest,)* F16 $(, $r)?>($($arg),*),
            Elements::Bf16 => $body::<$($rest,)* Bf16 $(, $r)?>($($arg),*),
            Elements::Block(BlockFormat::Q8_0) => $body::<$($rest,)* Q8 $(, $r)?>($($arg),*),
            Elements::Block(BlockFormat::Q4_0) if !LEAN => $body::<$($rest,)* Q4 $(, $r)?>($($arg),*),
            Elements::Block(BlockFormat::Q2_0) if !LEAN => $body::<$($rest,)* Q2 $(, $r)?>($($arg),*),
            Elements::Q4K if !LEAN => $body::<$($rest,)* Q4K $(, $r)?>($($arg),*),
            Elements::Q6K if !LEAN => $body::<$($rest,)* Q6K $(, $r)?>($($arg),*),
            _ => $other,
        }
    };
}

#[inline(always)]
pub(crate) unsafe fn widen<L: Lanes>(elements: Elements, bytes: &[u8], values: &mut [f32]) {
    // SAFETY: lengths as checked by the caller, who has the instruction set.
    unsafe {
        with_kind!(
            elements,
            widen_kind::<L>(bytes, values),
            scalar::widen(elements, bytes, values)
        );
    }
}

#[inline(always)]
unsafe fn widen_kind<L: Lanes, N: Numbers>(bytes: &[u8], values: &mut [f32]) {
    let whole = values.len() / N::VALUES;
    for index in 0..whole {
        // SAFETY: block `index` exists in both, and n stays inside it; the caller has the instruction set.
        unsafe {
            let from = bytes.as_ptr().add(index * N::BYTES);
            let to = values.as_mut_ptr().add(index * N::VALUES);
            let scales = N::scales(from);
            for n in 0..N::VALUES / W {
                L::store(to.add(n * W), N::part::<L>(from, &scales, n));
            }
        }
    }
    scalar::widen(N::KIND, &bytes[whole * N::BYTES..], &mut values[whole * N::VALUES..]);
}

#[inline(always)]
pub(crate) unsafe fn element_rows<L: Lanes, B: Bytes, const R: usize>(
    elements: Elements,
    bytes: &[u8],
    x: &[f32],
    y: &mut [f32],
) {
    // SAFETY: lengths as checked by the caller, who has the instruction set.
    unsafe {
        with_kind!(
            elements,
            rows_of::<L, B; R>(bytes, x, y),
            scalar::element_rows(elements, bytes, x, y)
        );
    }
}

#[inline(always)]
unsafe fn rows_of<L: Lanes, B: Bytes, N: Numbers, const R: usize>(
    bytes: &[u8],
    x: &[f32],
    y: &mut [f32],
) {
    if y.is_empty() {
        return;
    }
    let width = bytes.len() / y.len();
    let mut row = 0;
    while row < y.len() {
        let tile = if row + R <= y.len() { R } else { 1 };
        let bytes = &bytes[row * width..][..tile * width];
        // SAFETY: the bytes of `tile` rows; the caller has the instruction set.
        unsafe {
            if tile == R {
                y[row..row + R].copy_from_slice(&some_rows::<L, B, N, R>(bytes, width, x));
            } else {
                y[row] = some_rows::<L, B, N, 1>(bytes, width, x)[0];
            }
        }
        row += tile;
    }
}

/// R rows of `width` bytes with x.
#[inline(always)]
unsafe fn some_rows<L: Lanes, B: Bytes, N: Numbers, const R: usize>(
    bytes: &[u8],
    width: usize,
    x: &[f32],
) -> [f32; R] {
    let whole = x.len() / N::VALUES;
    let ahead = ahead(R, width);
    let mut out = [0.0; R];
    // SAFETY: block `index` of R rows and of x exists, and n stays inside it; what is left of a row and of x goes into padded vectors. A prefetched
    // address need not exist. The caller has the instruction set.
    unsafe {
        let mut sums = [L::splat(0.0); R];
        for index in 0..whole {
            let from = bytes.as_ptr().add(index * N::BYTES);
            let x = x.as_ptr().add(index * N::VALUES);
            let mut scales = [N::scales(from); R];
            for r in 0..R {
                let from = from.add(r * width);
                scales[r] = N::scales(from);
                for line in 0..N::BYTES.div_ceil(64) {
                    B::prefetch(from.wrapping_add(ahead + 64 * line));
                }
            }
            for n in 0..N::VALUES / W {
                let x = L::load(x.add(n * W));
                for r in 0..R {
                    let w = N::part::<L>(from.add(r * width), &scales[r], n);
                    sums[r] = L::add(sums[r], L::mul(w, x));
                }
            }
        }
        // Only plain kinds have a rest, shorter than a vector.
        let rest = x.len() - whole * N::VALUES;
        if rest > 0 {
            let mut padded = [0.0; W];
            padded[..rest].copy_from_slice(&x[whole * N::VALUES..]);
            let x = L::load(padded.as_ptr());
            for r in 0..R {
                let bytes = &bytes[r * width + whole * N::BYTES..(r + 1) * width];
                let mut padded = [0.0; W];
                scalar::widen(N::KIND, bytes, &mut padded[..rest]);
                sums[r] = L::add(sums[r], L::mul(L::load(padded.as_ptr()), x));
            }
        }
        for r in 0..R {
            out[r] = L::fold(sums[r]);
        }
    }
    out
}
