//! An instruction set that adds little to another one takes the rest from it.

/// Writes `Lanes` functions that are those of another instruction set.
macro_rules! pass_on {
    ($base:ty: $(fn $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)+) => {
        $(#[inline(always)]
        unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            // SAFETY: the conditions are those of the trait in both; whoever has this instruction set has the other one too.
            unsafe { <$base as Lanes>::$name($($arg),*) }
        })+
    };
}

/// The f32, i32 and f64 part of another instruction set.
macro_rules! floats_of {
    ($base:ty) => {
        type F = <$base as Lanes>::F;
        type I = <$base as Lanes>::I;
        type D = <$base as Lanes>::D;
        type M = <$base as Lanes>::M;
        type N = <$base as Lanes>::N;

        pass_on! { $base:
            fn splat(x: f32) -> Self::F;
            fn load(from: *const f32) -> Self::F;
            fn store(to: *mut f32, x: Self::F);
            fn add(a: Self::F, b: Self::F) -> Self::F;
            fn sub(a: Self::F, b: Self::F) -> Self::F;
            fn mul(a: Self::F, b: Self::F) -> Self::F;
            fn div(a: Self::F, b: Self::F) -> Self::F;
            fn sqrt(a: Self::F) -> Self::F;
            fn abs(a: Self::F) -> Self::F;
            fn mul_add_exact(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
            fn lt(a: Self::F, b: Self::F) -> Self::M;
            fn select(mask: Self::M, yes: Self::F, no: Self::F) -> Self::F;
            fn fold(a: Self::F) -> f32;
            fn bits(a: Self::F) -> Self::I;
            fn float(a: Self::I) -> Self::F;
            fn isplat(x: i32) -> Self::I;
            fn iadd(a: Self::I, b: Self::I) -> Self::I;
            fn isub(a: Self::I, b: Self::I) -> Self::I;
            fn iand(a: Self::I, b: Self::I) -> Self::I;
            fn ishl(a: Self::I, by: u32) -> Self::I;
            fn ishr(a: Self::I, by: u32) -> Self::I;
            fn ihalf(a: Self::I) -> Self::I;
            fn store_codes(to: *mut i8, x: Self::F);
            fn dsplat(x: f64) -> Self::D;
            fn dload(from: *const f64) -> Self::D;
            fn dstore(to: *mut f64, x: Self::D);
            fn dadd(a: Self::D, b: Self::D) -> Self::D;
            fn dsub(a: Self::D, b: Self::D) -> Self::D;
            fn dmul(a: Self::D, b: Self::D) -> Self::D;
            fn ddiv(a: Self::D, b: Self::D) -> Self::D;
            fn dlt(a: Self::D, b: Self::D) -> Self::N;
            fn dselect(mask: Self::N, yes: Self::D, no: Self::D) -> Self::D;
            fn dpow2(shifted: Self::D) -> Self::D;
            fn widen(a: Self::F) -> [Self::D; 2];
            fn narrow(a: [Self::D; 2]) -> Self::F;
            fn digits(from: *const u8) -> Self::I;
            fn trit(a: Self::I) -> Self::F;
            fn sign(a: Self::I) -> Self::F;
        }
    };
}

/// The byte part of another instruction set: all that the int8 product needs besides the product itself.
macro_rules! bytes_of {
    ($base:ty) => {
        type B = <$base as Lanes>::B;

        pass_on! { $base:
            fn bload(from: *const u8) -> Self::B;
            fn bsplat(x: u8) -> Self::B;
            fn badd(a: Self::B, b: Self::B) -> Self::B;
            fn band(a: Self::B, b: Self::B) -> Self::B;
            fn bsub_saturating(a: Self::B, b: Self::B) -> Self::B;
            fn bavg(a: Self::B, b: Self::B) -> Self::B;
            fn bshr(a: Self::B, by: u32) -> Self::B;
            fn diff(a: *const i8, b: *const i8) -> u32;
        }
    };
}

pub(crate) use {bytes_of, floats_of, pass_on};
