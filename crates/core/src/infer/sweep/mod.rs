//! Sweeps: runs over the same tokens that differ in a few edits, computed together.
//!
//! The plain run goes through the program once, whole. A *lane* is one example of one variant; of each activation it has only the positions at which it may differ from
//! the plain run (its *span*), and none before its first edit. Lanes join as the nodes go by: layers before an edit, positions that an edit cannot reach through causal
//! attention, and patches that change nothing are never computed, and every product multiplies the rows of all lanes at once. Same values as a run with the edits.
//!
//! `value` holds rows and spans, `engine` computes a node, `attend` its attention, `change` applies edits.

mod attend;
mod change;
mod engine;
mod value;

use crate::edit::Edit;
use crate::error::{CoreError, Result, check_len, codes};
use crate::infer::plan::Sizes;
use crate::program::check::check_tokens;
use crate::program::compile::Program;
use crate::program::spec::Dim;
use engine::Engine;

/// What is swept.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Tokens `[batch, seq]`.
    pub tokens: &'a [i32],
    /// B.
    pub batch: usize,
    /// T.
    pub seq: usize,
    /// Edits of all variants; see [`crate::edit`].
    pub edits: &'a [i32],
    /// Their data.
    pub floats: &'a [f32],
    /// How many edits each variant has.
    pub counts: &'a [u32],
    /// Classes whose logits are wanted; all when empty.
    pub classes: &'a [i32],
    /// Logits of the last position only.
    pub last_only: bool,
}

/// Runs a sweep: `out` `[1 + variants, batch, positions, classes]` gets the logits of the plain run, then those of every variant.
///
/// # Errors
/// As an inference run and its edits; `E_NAME` for edits of taps, `E_RANGE` for classes that do not exist, `E_MEMORY`.
pub fn sweep(program: &mut Program, request: Request<'_>, out: &mut [f32]) -> Result<()> {
    program.params.check_loaded()?;
    program.params.refresh();
    let Request { batch, seq, .. } = request;
    let tokens = tokens_of(program, request)?;
    let classes = classes_of(program, request.classes)?;
    let edits = edits_of(program, request)?;
    let mut listen = vec![0; program.spec.sites.len()];
    for (_, edit) in &edits {
        listen[edit.site] = 1;
    }
    let sizes = Sizes { batch, seq, capacity: seq };
    let plan = program.inference(sizes, &listen, request.last_only)?;
    let variants = request.counts.len();
    Engine::new(program, &plan, &tokens, edits, variants, &classes).run(request.last_only, out)
}

fn tokens_of(program: &Program, r: Request<'_>) -> Result<Vec<u32>> {
    check_len("tokens", r.batch.saturating_mul(r.seq), r.tokens.len())?;
    check_tokens(r.tokens, program.spec.vocab)
}

fn classes_of(program: &Program, classes: &[i32]) -> Result<Vec<usize>> {
    let count = program.cols[program.spec.output];
    let class = |&c: &i32| usize::try_from(c).ok().filter(|&c| c < count);
    classes
        .iter()
        .map(|c| {
            class(c).ok_or_else(|| {
                CoreError::new(codes::RANGE, "there is no such class")
                    .expected(format!("0 to {}", count - 1), c)
            })
        })
        .collect()
}

/// Edits with the variants they belong to.
fn edits_of(program: &Program, r: Request<'_>) -> Result<Vec<(usize, Edit)>> {
    let shape = |site: usize| {
        let spec = program.spec.sites.get(site)?;
        let size = |d: &Dim| match d {
            Dim::Size(n) => *n,
            Dim::Name(n) if n == "batch" => r.batch,
            Dim::Name(_) => r.seq,
        };
        (!program.spec.nodes[spec.node].is_tap()).then(|| spec.shape.iter().map(size).collect())
    };
    let edits = Edit::parse_sweep(r.edits, r.floats, shape)?;
    let owners = r.counts.iter().enumerate().flat_map(|(v, &n)| (0..n).map(move |_| v));
    let total: usize = r.counts.iter().map(|&n| n as usize).sum();
    check_len("edits of the variants", edits.len(), total)?;
    Ok(owners.zip(edits).collect())
}
