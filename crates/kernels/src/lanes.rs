//! The small vector vocabulary that kernel bodies are written in. An instruction set is an implementation of [`Lanes`], nothing more.
//!
//! Sizes are logical, the same everywhere: 16 f32, 8 f64, 16 i32. A narrow machine implements them with several registers. That is what makes results
//! equal bit for bit: the number of partial sums does not depend on the width of a register.
//!
//! The three traits are independent, because instruction sets add to them independently: floats and codes ([`Lanes`]), packed bytes and their products with
//! int8 ([`Bytes`]), population counts ([`Bits`]). A table names one type for each. Bytes, whose sums are integers and therefore the same in any order, come in
//! blocks of 32, as many as suit the registers.

/// Vectors of one instruction set.
///
/// # Safety
/// All functions are `unsafe` for one shared reason: the caller must run on a machine with the instruction set. Those that
/// take a pointer also need the stated number of elements behind it; alignment never matters.
pub(crate) trait Lanes {
    /// 16 f32.
    type F: Copy;
    /// 16 i32.
    type I: Copy;
    /// 8 f64.
    type D: Copy;
    /// A comparison of 16 f32.
    type M: Copy;
    /// A comparison of 8 f64.
    type N: Copy;

    unsafe fn splat(x: f32) -> Self::F;
    /// Reads 16.
    unsafe fn load(from: *const f32) -> Self::F;
    /// Writes 16.
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sqrt(a: Self::F) -> Self::F;
    unsafe fn abs(a: Self::F) -> Self::F;
    /// a b + c where a b is exact in f32: fused or not, the bits are the same.
    unsafe fn mul_add_exact(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// a < b; false when one is NaN.
    unsafe fn lt(a: Self::F, b: Self::F) -> Self::M;
    /// `yes` where the mask is set, else `no`.
    unsafe fn select(mask: Self::M, yes: Self::F, no: Self::F) -> Self::F;
    /// Upper half onto lower half until one is left.
    unsafe fn fold(a: Self::F) -> f32;

    unsafe fn bits(a: Self::F) -> Self::I;
    unsafe fn float(a: Self::I) -> Self::F;
    unsafe fn isplat(x: i32) -> Self::I;
    unsafe fn iadd(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn isub(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn iand(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn ishl(a: Self::I, by: u32) -> Self::I;
    /// Logical shift.
    unsafe fn ishr(a: Self::I, by: u32) -> Self::I;
    /// Arithmetic shift by one.
    unsafe fn ihalf(a: Self::I) -> Self::I;
    /// Writes 16 i8 from floats that hold integers in -128..=127.
    unsafe fn store_codes(to: *mut i8, x: Self::F);

    unsafe fn dsplat(x: f64) -> Self::D;
    /// Reads 8.
    unsafe fn dload(from: *const f64) -> Self::D;
    /// Writes 8.
    unsafe fn dstore(to: *mut f64, x: Self::D);
    unsafe fn dadd(a: Self::D, b: Self::D) -> Self::D;
    unsafe fn dsub(a: Self::D, b: Self::D) -> Self::D;
    unsafe fn dmul(a: Self::D, b: Self::D) -> Self::D;
    unsafe fn ddiv(a: Self::D, b: Self::D) -> Self::D;
    unsafe fn dlt(a: Self::D, b: Self::D) -> Self::N;
    unsafe fn dselect(mask: Self::N, yes: Self::D, no: Self::D) -> Self::D;
    /// 2^n for the integer n in the low bits of a number that `MAGIC_F64` was added to.
    unsafe fn dpow2(shifted: Self::D) -> Self::D;
    /// Lanes 0..8 and 8..16, exact.
    unsafe fn widen(a: Self::F) -> [Self::D; 2];
    /// The inverse of `widen`, rounded to nearest even.
    unsafe fn narrow(a: [Self::D; 2]) -> Self::F;

    /// Reads 16 numbers of 16 bits, of any alignment, into 16 i32 without a sign.
    unsafe fn halves(from: *const u8) -> Self::I;
    /// Reads 16 half precision floats.
    #[inline(always)]
    unsafe fn f16(from: *const u8) -> Self::F {
        // SAFETY: the caller has the instruction set and 32 bytes.
        unsafe {
            let half = Self::halves(from);
            // Exponent and fraction at their places in f32, whose exponents are 112 higher.
            let magnitude = Self::ishl(Self::iand(half, Self::isplat(0x7fff)), 13);
            let biased = |by: i32| Self::float(Self::iadd(magnitude, Self::isplat(by << 23)));
            let normal = biased(112);
            // Without a hidden one: one is put in front and taken off again.
            let lowest = Self::splat(f32::from_bits(113 << 23));
            let subnormal = Self::sub(biased(113), lowest);
            let finite = Self::select(Self::lt(normal, lowest), subnormal, normal);
            let value = Self::select(Self::lt(normal, Self::splat(65536.0)), finite, biased(224));
            let sign = Self::ishl(Self::ishr(half, 15), 31);
            Self::float(Self::iadd(Self::bits(value), sign))
        }
    }

    /// Reads 16 bytes into 16 i32.
    unsafe fn digits(from: *const u8) -> Self::I;
    /// The low two bits of each integer, minus 1.
    unsafe fn trit(a: Self::I) -> Self::F;
    /// +1 where the lowest bit is set, else -1.
    unsafe fn sign(a: Self::I) -> Self::F;

    /// Rows whose weighted gradients are taken together (2 or 4): as many as have their sums in registers.
    const MIX_ROWS: usize = 4;

    /// Rows on either side (2 or 4) whose products are taken together: as many as have their sums in registers.
    const PRODUCT_ROWS: usize = 2;

    /// How many of 64 bytes differ.
    unsafe fn diff(a: *const i8, b: *const i8) -> u32;
}

/// Vectors of packed bytes of one instruction set, and their products with int8 activations.
///
/// # Safety
/// As [`Lanes`].
pub(crate) trait Bytes {
    /// One or more blocks of 32 bytes.
    type B: Copy;
    /// Partial sums of an int8 product, perhaps of 16 bits.
    type P: Copy;
    /// Totals of an int8 product, of 32 bits.
    type T: Copy;

    /// Blocks of 32 bytes in a byte vector.
    const BLOCKS: usize;
    /// Reads `32 * BLOCKS` bytes.
    unsafe fn bload(from: *const u8) -> Self::B;
    /// Reads one block of 32 bytes; the rest of the vector is zero.
    unsafe fn bload_block(from: *const u8) -> Self::B;
    /// Writes `32 * BLOCKS` bytes.
    unsafe fn bstore(to: *mut u8, x: Self::B);
    /// Says that the cache line of `from` will be read soon; any address may be named.
    unsafe fn prefetch(from: *const u8);
    unsafe fn bsplat(x: u8) -> Self::B;
    unsafe fn badd(a: Self::B, b: Self::B) -> Self::B;
    /// 3 a, modulo 256. An instruction set whose compiler turns repeated tripling into products of bytes, which no machine has and which cost five
    /// operations, hides the result from it.
    #[inline(always)]
    unsafe fn btriple(a: Self::B) -> Self::B {
        // SAFETY: registers only; the caller has the instruction set.
        unsafe { Self::badd(a, Self::badd(a, a)) }
    }
    unsafe fn band(a: Self::B, b: Self::B) -> Self::B;
    unsafe fn bxor(a: Self::B, b: Self::B) -> Self::B;
    /// a - b, not below 0.
    unsafe fn bsub_saturating(a: Self::B, b: Self::B) -> Self::B;
    /// (a + b + 1) / 2 without overflow.
    unsafe fn bavg(a: Self::B, b: Self::B) -> Self::B;
    /// Shifts right; bits of a neighbouring byte may come in at the top, the caller masks them off.
    unsafe fn bshr(a: Self::B, by: u32) -> Self::B;

    /// The five digits (0..=2) of base-3 bytes.
    ///
    /// In bytes there is no carry, so a digit (t >= 86) + (t >= 171) comes from averages: with u = max(t - 1, 0), the top two bits of
    /// avg(u, avg(u, 0)), about 3u/4, are exactly that number for each of the 256 values of t (tested in digits.rs).
    #[inline(always)]
    unsafe fn base3(bytes: Self::B) -> [Self::B; 5] {
        // SAFETY: registers only; the caller has the instruction set.
        unsafe {
            let (mut t, mut digits) = (bytes, [bytes; 5]);
            for digit in &mut digits {
                let u = Self::bsub_saturating(t, Self::bsplat(1));
                let average = Self::bavg(u, Self::bavg(u, Self::bsplat(0)));
                *digit = Self::band(Self::bshr(average, 6), Self::bsplat(3));
                t = Self::btriple(t);
            }
            digits
        }
    }

    /// Bytes that one prepared activation takes.
    const X_BYTES: usize;
    /// What a partial sum bears before it could overflow: the number of `pdot` times the largest digit among them, with activations down to -128.
    const DEPTH: usize;
    /// Whether `pdot` takes digits up to 255 (its sums have 32 bits), not only up to 12.
    const WHOLE_BYTES: bool;
    /// Whether products with many rows of activations decode rows of weights into memory first. WebAssembly's go through `crate::quads`, and code that is
    /// downloaded costs.
    const PANELS: bool = true;
    /// Writes `32 * X_BYTES` bytes: 32 int8 activations in the order that `pdot` wants.
    unsafe fn prepare(x: *const i8, to: *mut u8);
    unsafe fn pzero() -> Self::P;
    /// Adds `32 * BLOCKS` products of unsigned digits and prepared activations.
    unsafe fn pdot(sum: Self::P, digits: Self::B, x: *const u8) -> Self::P;
    unsafe fn tzero() -> Self::T;
    /// Adds partial sums to totals.
    unsafe fn drain(total: Self::T, sum: Self::P) -> Self::T;
    /// Each total divided by 2^by, rounded down.
    unsafe fn tshr(total: Self::T, by: u32) -> Self::T;
    unsafe fn tadd(a: Self::T, b: Self::T) -> Self::T;
    unsafe fn tshl(a: Self::T, by: u32) -> Self::T;
    /// The sum of all totals, modulo 2^32.
    unsafe fn tsum(total: Self::T) -> i32;
    /// Four sums at once.
    #[inline(always)]
    unsafe fn tsum4(totals: [Self::T; 4]) -> [i32; 4] {
        let [a, b, c, d] = totals;
        // SAFETY: the caller has the instruction set.
        unsafe { [Self::tsum(a), Self::tsum(b), Self::tsum(c), Self::tsum(d)] }
    }
}

/// Population counts of one instruction set.
///
/// # Safety
/// As [`Lanes`].
pub(crate) trait Bits: Bytes {
    /// Counts of bits.
    type C: Copy;

    /// How many `cpop` a count bears.
    const POPS: usize;
    unsafe fn czero() -> Self::C;
    /// Adds the number of set bits.
    unsafe fn cpop(count: Self::C, x: Self::B) -> Self::C;
    /// The whole count.
    unsafe fn csum(count: Self::C) -> u32;
}
