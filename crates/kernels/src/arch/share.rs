//! An instruction set that adds a product of bytes to another one takes the rest from it.

/// The byte part of another instruction set: all but the product itself, whose sums differ.
macro_rules! bytes_of {
    ($base:ty) => {
        type B = <$base as Bytes>::B;
        type T = <$base as Bytes>::T;
        const BLOCKS: usize = <$base as Bytes>::BLOCKS;
        const X_BYTES: usize = <$base as Bytes>::X_BYTES;

        bytes_of! { $base:
            fn bload(from: *const u8) -> Self::B;
            fn bload_block(from: *const u8) -> Self::B;
            fn bstore(to: *mut u8, x: Self::B);
            fn prefetch(from: *const u8);
            fn bsplat(x: u8) -> Self::B;
            fn badd(a: Self::B, b: Self::B) -> Self::B;
            fn btriple(a: Self::B) -> Self::B;
            fn band(a: Self::B, b: Self::B) -> Self::B;
            fn bxor(a: Self::B, b: Self::B) -> Self::B;
            fn bsub_saturating(a: Self::B, b: Self::B) -> Self::B;
            fn bavg(a: Self::B, b: Self::B) -> Self::B;
            fn bshr(a: Self::B, by: u32) -> Self::B;
            fn base3(bytes: Self::B) -> [Self::B; 5];
            fn prepare(x: *const i8, to: *mut u8);
            fn tzero() -> Self::T;
            fn tadd(a: Self::T, b: Self::T) -> Self::T;
            fn tshr(total: Self::T, by: u32) -> Self::T;
            fn tshl(total: Self::T, by: u32) -> Self::T;
            fn tsum(total: Self::T) -> i32;
            fn tsum4(totals: [Self::T; 4]) -> [i32; 4];
        }
    };
    ($base:ty: $(fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)+) => {
        $(#[inline(always)]
        unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the conditions are those of the trait in both; whoever has this instruction set has the other one too.
            unsafe { <$base as Bytes>::$name($($arg),*) }
        })+
    };
}

pub(crate) use bytes_of;
