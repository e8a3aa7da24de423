//! Where the activations of a run lie.

use serde::Serialize;

use crate::error::{CoreError, Result, codes};
use crate::program::compile::Program;
use crate::program::plan::Plan;
use crate::program::spec::{Dim, NodeSpec};

/// Where a site lies in the arena (elements).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SitePlace {
    /// First element of the activation.
    pub offset: usize,
    /// Elements.
    pub length: usize,
    /// Shape.
    pub shape: Vec<usize>,
    /// First element of the gradient, -1 without gradients.
    pub grad_offset: i64,
}

/// Layout of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunInfo {
    /// Elements of the arena.
    pub arena_length: usize,
    /// Place of every site.
    pub sites: Vec<SitePlace>,
    /// Place of the output.
    pub output: SitePlace,
}

/// Places of all sites of a plan.
pub(super) fn describe(program: &Program, plan: &Plan, grad: bool) -> Result<RunInfo> {
    let place = |node: usize, shape: Vec<usize>| SitePlace {
        offset: plan.nodes[node].offset,
        length: plan.nodes[node].len,
        shape,
        grad_offset: if grad { (plan.tile_len + plan.nodes[node].offset) as i64 } else { -1 },
    };
    let mut sites = Vec::with_capacity(program.spec.sites.len());
    for s in &program.spec.sites {
        let shape: Vec<usize> = s.shape.iter().map(|d| size_of(d, plan)).collect();
        let length = shape.iter().fold(1usize, |a, &b| a.saturating_mul(b));
        let site = place(s.node, shape);
        if length != site.length {
            return Err(CoreError::new(codes::SPEC, format!("shape of site {} is wrong", s.name))
                .expected(site.length, format!("{:?}", site.shape)));
        }
        sites.push(site);
    }
    let out = program.spec.output;
    let cols = program.cols[out];
    let last = program.is_last[out] || matches!(program.spec.nodes[out], NodeSpec::Last { .. });
    let shape = if last { vec![plan.examples, cols] } else { vec![plan.examples, plan.seq, cols] };
    let arena_length = plan.tile_len * if grad { 2 } else { 1 };
    Ok(RunInfo { arena_length, sites, output: place(out, shape) })
}

fn size_of(d: &Dim, plan: &Plan) -> usize {
    match d {
        Dim::Size(n) => *n,
        Dim::Name(n) if n == "batch" => plan.examples,
        Dim::Name(_) => plan.seq,
    }
}
