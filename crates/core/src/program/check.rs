//! Checks of what a caller feeds to a program.

use crate::error::{CoreError, Result, check_len, codes};

/// Tokens as indices, all below `vocab`.
pub fn check_tokens(tokens: &[i32], vocab: usize) -> Result<Vec<u32>> {
    tokens
        .iter()
        .enumerate()
        .map(|(i, &t)| match u32::try_from(t) {
            Ok(id) if (id as usize) < vocab => Ok(id),
            _ => Err(CoreError::new(codes::RANGE, format!("token {i} is not in the vocabulary"))
                .expected(format!("0 to {}", vocab - 1), t)),
        })
        .collect()
}

/// One target an output row, below `classes` or negative.
pub fn check_targets(targets: &[i32], rows: usize, classes: usize) -> Result<()> {
    check_len("targets", rows, targets.len())?;
    match targets.iter().position(|&t| t >= 0 && t as usize >= classes) {
        None => Ok(()),
        Some(i) => Err(CoreError::new(codes::RANGE, format!("target {i} is not a class"))
            .expected(format!("below {classes}, or -1 to leave the row out"), targets[i])),
    }
}
