//! THE bit layout of packed weights. Nothing else in the crate decides where a code lies.
//!
//! A row is a run of blocks of 32 bytes. With `D` digits a byte, a block holds `32 * D` codes, and
//! digit `n` of byte `m` is element `32 * n + m` of the block. So one load of 32 bytes gives 32 *consecutive* elements
//! for each digit, on every instruction set, without a shuffle.
//!
//! | format | digits a byte | a digit | padding |
//! |---|---|---|---|
//! | [`Format::Binary`] | 8 | bit `n`: 1 is +1, 0 is -1 | bit 0; kernels see zeros in `x` there |
//! | [`Format::Ternary2`] | 4 | bits `2n..2n+2`: code = trit + 1, 3 is invalid | 1 (trit 0) |
//! | [`Format::Ternary5`] | 5 | base 3, first digit most significant, byte = ceil(256 v / 243) | 1 (trit 0) |
//!
//! The base-3 byte is a fixed-point fraction of 3^5: multiplying it by 3^n (mod 256) moves digit `n` to the front, and the
//! next multiplication by 3 carries it out of the byte. That is why no division is needed to decode it
//! (the trick of GGUF's `TQ1_0`).

use std::fmt;

/// Bytes of a block; also the number of lanes the float products accumulate in.
pub const BLOCK: usize = 32;

/// How codes lie in packed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One bit a weight: -1 or +1.
    Binary,
    /// Two bits a weight: -1, 0 or +1.
    Ternary2,
    /// Five trits a byte (1.6 bits a weight): -1, 0 or +1.
    Ternary5,
}

impl Format {
    /// Every format, for tests and listings.
    pub const ALL: [Format; 3] = [Format::Binary, Format::Ternary2, Format::Ternary5];

    /// Codes in a byte.
    pub const fn digits(self) -> usize {
        match self {
            Format::Binary => 8,
            Format::Ternary2 => 4,
            Format::Ternary5 => 5,
        }
    }

    /// Codes in a block of [`BLOCK`] bytes.
    pub const fn block_codes(self) -> usize {
        BLOCK * self.digits()
    }

    /// The name used in errors and benchmarks: `binary`, `ternary2`, `ternary5`.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Binary => "binary",
            Format::Ternary2 => "ternary2",
            Format::Ternary5 => "ternary5",
        }
    }
}

/// Why codes or bytes could not be packed or unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// A slice does not have the length that the shape needs.
    Length {
        /// Which argument.
        what: &'static str,
        /// Elements the shape needs.
        expected: usize,
        /// Elements it has.
        found: usize,
    },
    /// A code that the format cannot hold, at this index of the codes.
    Code {
        /// Row-major index of the code.
        index: usize,
        /// Its value.
        code: i8,
    },
    /// A byte that no codes produce, at this index of the bytes.
    Byte {
        /// Index of the byte.
        index: usize,
        /// Its value.
        byte: u8,
    },
    /// The number of columns is not a multiple of what the layout needs.
    Columns {
        /// The multiple that is needed.
        multiple: usize,
        /// Columns that came.
        found: usize,
    },
    /// A format that can only be read, by its name.
    ReadOnly(&'static str),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackError::Length { what, expected, found } => {
                write!(f, "{what} has {found} elements, the shape needs {expected}")
            }
            PackError::Code { index, code } => {
                write!(f, "code {code} at index {index} does not exist in this format")
            }
            PackError::Byte { index, byte } => {
                write!(f, "byte {byte:#04x} at index {index} is not a packed code")
            }
            PackError::Columns { multiple, found } => {
                write!(f, "{found} columns, this layout needs a multiple of {multiple}")
            }
            PackError::ReadOnly(name) => write!(f, "{name} can be read, not written"),
        }
    }
}

impl std::error::Error for PackError {}

/// Bytes that one packed row of `cols` codes takes.
pub const fn row_bytes(format: Format, cols: usize) -> usize {
    cols.div_ceil(format.block_codes()) * BLOCK
}

/// Packs `codes` (`[rows, cols]`, row-major, each -1, 0 or +1; no 0 in [`Format::Binary`]) into
/// `out` (`rows * row_bytes(format, cols)` bytes).
///
/// # Errors
/// [`PackError::Length`] and [`PackError::Code`]; `out` is then unspecified.
pub fn pack(
    format: Format,
    codes: &[i8],
    rows: usize,
    cols: usize,
    out: &mut [u8],
) -> Result<(), PackError> {
    check_lengths(format, codes.len(), out.len(), rows, cols)?;
    let width = row_bytes(format, cols);
    for row in 0..rows {
        let codes = &codes[row * cols..][..cols];
        let bytes = &mut out[row * width..][..width];
        pack_row(format, codes, bytes)
            .map_err(|index| PackError::Code { index: row * cols + index, code: codes[index] })?;
    }
    Ok(())
}

/// The inverse of [`pack`]: fills `codes` (`[rows, cols]`) from `packed`.
///
/// # Errors
/// [`PackError::Length`], and [`PackError::Byte`] for a byte with the invalid digit 3 of [`Format::Ternary2`].
pub fn unpack(
    format: Format,
    packed: &[u8],
    rows: usize,
    cols: usize,
    codes: &mut [i8],
) -> Result<(), PackError> {
    check_lengths(format, codes.len(), packed.len(), rows, cols)?;
    let width = row_bytes(format, cols);
    for row in 0..rows {
        let bytes = &packed[row * width..][..width];
        for (element, code) in codes[row * cols..][..cols].iter_mut().enumerate() {
            let (byte, digit) = place(format, element);
            *code = decode(format, bytes[byte], digit)
                .ok_or(PackError::Byte { index: row * width + byte, byte: bytes[byte] })?;
        }
    }
    Ok(())
}

/// Where element `element` of a row lies: (byte of the row, digit of that byte).
pub const fn place(format: Format, element: usize) -> (usize, usize) {
    let (block, inside) = (element / format.block_codes(), element % format.block_codes());
    (block * BLOCK + inside % BLOCK, inside / BLOCK)
}

/// Digit `n` of a base-3 byte: 0, 1 or 2.
pub const fn trit_digit(byte: u8, n: usize) -> u8 {
    const POWER: [u8; 5] = [1, 3, 9, 27, 81];
    let fraction = byte.wrapping_mul(POWER[n]);
    ((fraction as u16 * 3) >> 8) as u8
}

/// The byte of five base-3 digits, first most significant.
pub const fn trit_byte(digits: [u8; 5]) -> u8 {
    let mut value = 0u16;
    let mut n = 0;
    while n < 5 {
        value = value * 3 + digits[n] as u16;
        n += 1;
    }
    (256 * value).div_ceil(243) as u8
}

/// The code in digit `digit` of `byte`; `None` for the invalid digit 3 of [`Format::Ternary2`].
pub const fn decode(format: Format, byte: u8, digit: usize) -> Option<i8> {
    match format {
        Format::Binary => Some(2 * ((byte >> digit) & 1) as i8 - 1),
        Format::Ternary2 => match (byte >> (2 * digit)) & 3 {
            3 => None,
            code => Some(code as i8 - 1),
        },
        Format::Ternary5 => Some(trit_digit(byte, digit) as i8 - 1),
    }
}

/// Where the first byte lies that holds the invalid pair 3 of [`Format::Ternary2`] (and of other two-bit layouts).
pub fn invalid_pair(bytes: &[u8]) -> Option<usize> {
    let invalid = |byte: u8| byte & (byte >> 1) & 0x55;
    // Whole runs first: a search that may end at any byte is not vectorised.
    let run = bytes.chunks(256).position(|run| run.iter().fold(0, |all, &b| all | invalid(b)) != 0);
    run.and_then(|run| {
        let at = bytes[run * 256..].iter().position(|&b| invalid(b) != 0);
        at.map(|at| run * 256 + at)
    })
}

fn check_lengths(
    format: Format,
    codes: usize,
    bytes: usize,
    rows: usize,
    cols: usize,
) -> Result<(), PackError> {
    let expected = rows.saturating_mul(cols);
    if codes != expected {
        return Err(PackError::Length { what: "codes", expected, found: codes });
    }
    let expected = rows.saturating_mul(row_bytes(format, cols));
    if bytes != expected {
        return Err(PackError::Length { what: "packed", expected, found: bytes });
    }
    Ok(())
}

/// Packs one row; `Err` holds the index of the first code the format lacks.
fn pack_row(format: Format, codes: &[i8], bytes: &mut [u8]) -> Result<(), usize> {
    let bad = |&code: &i8| !(-1..=1).contains(&code) || (format == Format::Binary && code == 0);
    if let Some(index) = codes.iter().position(bad) {
        return Err(index);
    }
    let padding = if format == Format::Binary { -1 } else { 0 };
    for (index, byte) in bytes.iter_mut().enumerate() {
        let first = (index / BLOCK) * format.block_codes() + index % BLOCK;
        let code = |n: usize| codes.get(first + BLOCK * n).copied().unwrap_or(padding);
        *byte = encode(format, code);
    }
    Ok(())
}

/// The byte whose digit `n` is `code(n)`.
fn encode(format: Format, code: impl Fn(usize) -> i8) -> u8 {
    let digit = |n: usize| (code(n) + 1) as u8;
    match format {
        Format::Binary => (0..8).fold(0, |byte, n| byte | (digit(n) >> 1) << n),
        Format::Ternary2 => (0..4).fold(0, |byte, n| byte | digit(n) << (2 * n)),
        Format::Ternary5 => trit_byte(std::array::from_fn(digit)),
    }
}
