//! Checks a Spec and infers the width of every node. What passes here cannot panic later.

use std::sync::Arc;

use crate::error::{CoreError, Result, codes};
use crate::infer as inference;
use crate::program::nodes::infer_cols;
use crate::program::params::{ParamPlace, Params};
use crate::program::spec::{Dim, Init, NodeSpec, Spec};
use crate::quant::Quant;

/// Most nodes, sites or parameters of a Spec: far above any model, far below what would make a hostile Spec expensive.
const MAX_ENTRIES: usize = 100_000;

/// Largest number of elements of any one tensor or arena: offsets stay exact in u32 and in JavaScript.
pub const MAX_ELEMENTS: usize = 1 << 30;

/// Plans that are kept.
const KEPT_PLANS: usize = 8;

/// A compiled Spec.
#[derive(Debug, Clone)]
pub struct Program {
    /// The checked Spec.
    pub spec: Spec,
    /// Columns of each node's rows; for scores and pattern 0, since they depend on the sequence.
    pub cols: Vec<usize>,
    /// Whether a node's rows are one a sequence (after `last`) instead of one a position.
    pub is_last: Vec<bool>,
    /// Parameters.
    pub params: Params,
    /// Sites of each node, in firing order.
    pub sites_of: Vec<Vec<u32>>,
    /// Plans of the last inference runs: the same ones are asked for again and again.
    plans: Vec<Arc<inference::Plan>>,
}

impl Program {
    /// Parses and checks a Spec.
    ///
    /// # Errors
    /// `E_SPEC` with what is wrong and where; `E_MEMORY` when the parameters do not fit.
    pub fn compile(json: &str) -> Result<Self> {
        let spec = Spec::from_json(json)?;
        check_sizes(&spec)?;
        check_params(&spec)?;
        let is_last = infer_last(&spec)?;
        let cols = infer_cols(&spec)?;
        check_sites(&spec)?;
        check_taps(&spec)?;
        check_stored(&spec)?;
        if spec.output >= spec.nodes.len() || cols[spec.output] == 0 {
            return Err(bad("output", "a node with rows", spec.output));
        }
        let mut sites_of = vec![Vec::new(); spec.nodes.len()];
        for (i, site) in spec.sites.iter().enumerate() {
            sites_of[site.node].push(i as u32);
        }
        let params = Params::new(ParamPlace::lay_out(&spec.params))?;
        Ok(Self { spec, cols, is_last, params, sites_of, plans: Vec::new() })
    }

    /// The plan of an inference run; see [`inference::Plan::new`].
    ///
    /// # Errors
    /// As [`inference::Plan::new`].
    pub fn inference(
        &mut self,
        sizes: inference::Sizes,
        listen: &[u8],
        last_only: bool,
    ) -> Result<Arc<inference::Plan>> {
        if let Some(plan) = self.plans.iter().find(|p| p.is_for(sizes, listen, last_only)) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(inference::Plan::new(self, sizes, listen, last_only)?);
        if self.plans.len() == KEPT_PLANS {
            self.plans.remove(0);
        }
        self.plans.push(Arc::clone(&plan));
        Ok(plan)
    }

    /// Whether permuting all tokens but the last leaves the output as it is: no positions, no mask, read-out at the last position.
    pub fn is_order_invariant(&self) -> bool {
        let last = matches!(self.spec.nodes[self.spec.output], NodeSpec::Last { .. })
            || self.spec.nodes.iter().any(|n| matches!(n, NodeSpec::Last { .. }));
        last && !self.spec.nodes.iter().any(|n| {
            matches!(
                n,
                NodeSpec::Pos { .. }
                    | NodeSpec::Rotary { .. }
                    | NodeSpec::Scores { causal: true, .. }
            )
        })
    }

    /// Whether any node depends on the position.
    pub fn uses_positions(&self) -> bool {
        self.spec.nodes.iter().any(|n| matches!(n, NodeSpec::Pos { .. } | NodeSpec::Rotary { .. }))
    }
}

pub(super) fn bad(
    what: &str,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
) -> CoreError {
    CoreError::new(codes::SPEC, format!("{what} is not valid")).expected(expected, found)
}

fn check_sizes(spec: &Spec) -> Result<()> {
    let most = spec.nodes.len().max(spec.sites.len()).max(spec.params.len());
    if most > MAX_ENTRIES {
        return Err(bad("number of entries", format!("at most {MAX_ENTRIES}"), most));
    }
    Ok(())
}

/// Which nodes come after `last`; refuses nodes that mix both kinds of rows.
fn infer_last(spec: &Spec) -> Result<Vec<bool>> {
    let mut out: Vec<bool> = Vec::with_capacity(spec.nodes.len());
    for (i, node) in spec.nodes.iter().enumerate() {
        let inputs = node.inputs();
        if let Some(&late) = inputs.iter().find(|&&k| k >= i) {
            let what = format!("node {i}: input");
            return Err(bad(&what, format!("a node before {i}"), late));
        }
        let any = inputs.iter().any(|&k| out[k]);
        let all = inputs.iter().all(|&k| out[k]);
        let attention = matches!(
            node,
            NodeSpec::Scores { .. } | NodeSpec::Mix { .. } | NodeSpec::Rotary { .. }
        );
        if any && (!all || attention) {
            let what = format!("node {i}: input");
            return Err(bad(&what, "rows of all positions", "rows after `last`"));
        }
        out.push(matches!(node, NodeSpec::Last { .. }) || (any && !inputs.is_empty()));
    }
    Ok(out)
}

fn check_params(spec: &Spec) -> Result<()> {
    if spec.vocab == 0 || spec.ctx == 0 {
        return Err(bad("vocab or ctx", "at least 1", "0"));
    }
    let mut names = std::collections::BTreeSet::new();
    let mut total = 0usize;
    for p in &spec.params {
        if !names.insert(p.name.as_str()) {
            return Err(bad("parameter name", "unique names", &p.name));
        }
        let len = p.shape.iter().try_fold(1usize, |a, &d| a.checked_mul(d)).unwrap_or(usize::MAX);
        // Stored matrices take no part in the flat vector; how large they may be is up to their format.
        total = if p.stored { total } else { total.saturating_add(len) };
        if len == 0 || total > MAX_ELEMENTS || len > u32::MAX as usize {
            let what = format!("shape of {}", p.name);
            return Err(bad(&what, "1 to 2^30 elements in all", format!("{:?}", p.shape)));
        }
        let number = match p.init {
            Init::Normal { std: v } | Init::Uniform { bound: v } | Init::Constant { value: v } => v,
        };
        if !number.is_finite() {
            return Err(bad(&format!("init of {}", p.name), "a finite number", number));
        }
    }
    Ok(())
}

/// Taps are looked at by listeners alone.
fn check_taps(spec: &Spec) -> Result<()> {
    let read = |i: usize| spec.nodes.iter().any(|n| n.inputs().contains(&i)) || spec.output == i;
    match spec.nodes.iter().enumerate().find(|(i, n)| n.is_tap() && read(*i)) {
        Some((i, _)) => Err(bad(&format!("node {i}"), "a tap that nothing reads", "a reader")),
        None => Ok(()),
    }
}

/// Stored parameters are matrices that embeddings and linear layers read, without a quantiser of their own.
fn check_stored(spec: &Spec) -> Result<()> {
    for p in spec.params.iter().filter(|p| p.stored) {
        if p.shape.len() != 2 || p.quant != Quant::None {
            let what = format!("stored parameter {}", p.name);
            return Err(bad(&what, "2 axes and quant none", format!("{:?}", p.shape)));
        }
    }
    for (i, node) in spec.nodes.iter().enumerate() {
        let matrix =
            matches!(node, NodeSpec::Embed { .. } | NodeSpec::Pos { .. } | NodeSpec::Acc { .. });
        let [w, b] = node.params();
        let whole = [w.filter(|_| !matrix && !matches!(node, NodeSpec::Linear { .. })), b];
        if let Some(p) = whole.into_iter().flatten().find(|&p| spec.params[p].stored) {
            let what = format!("node {i}: parameter {}", spec.params[p].name);
            return Err(bad(&what, "a parameter that is not stored", "a stored one"));
        }
        if let NodeSpec::Acc { w, .. } = *node
            && !spec.params[w].stored
            && spec.params[w].quant == Quant::None
        {
            return Err(bad(
                &format!("node {i}"),
                "a quantised or stored weight",
                "full precision",
            ));
        }
    }
    Ok(())
}

fn check_sites(spec: &Spec) -> Result<()> {
    let mut names = std::collections::BTreeSet::new();
    for s in &spec.sites {
        if s.node >= spec.nodes.len() {
            return Err(bad(&format!("node of site {}", s.name), spec.nodes.len(), s.node));
        }
        if !names.insert(s.name.as_str()) {
            return Err(bad("site name", "unique names", &s.name));
        }
        if s.shape.is_empty() || s.shape.len() > 4 {
            return Err(bad(&format!("shape of site {}", s.name), "1 to 4 axes", s.shape.len()));
        }
        for d in &s.shape {
            if let Dim::Name(n) = d
                && !["batch", "seq", "keys"].contains(&n.as_str())
            {
                let what = format!("axis of site {}", s.name);
                return Err(bad(&what, "batch, seq or keys", n));
            }
        }
    }
    Ok(())
}
