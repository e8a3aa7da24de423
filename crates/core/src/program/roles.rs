//! Which nodes fold.rs computes on distinct rows, and how.

use crate::program::compile::Program;
use crate::program::plan::Space;
use crate::program::spec::{ActQuant, NodeSpec};

/// How a folded node's table and base come about.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// Linear layer of the attention output: table = `v_h` `W_h`^T, base = b.
    Project {
        /// The mix node.
        mix: usize,
        /// Weight.
        w: usize,
        /// Bias.
        b: Option<usize>,
    },
    /// Sum of a folded node and a distinct one: same table, base + rows.
    Shift {
        /// Folded node.
        from: usize,
        /// Distinct node.
        plus: usize,
    },
    /// Linear layer of a folded node.
    Map {
        /// Folded node.
        from: usize,
        /// Weight.
        w: usize,
        /// Bias.
        b: Option<usize>,
    },
}

/// A folded node.
#[derive(Debug, Clone, Copy)]
pub struct Fold {
    /// How it is computed.
    pub source: Source,
    /// The mix node whose pattern weighs the table.
    pub mix: usize,
    /// First element of the table `[distinct, heads, cols]` in the shared arena.
    pub table: usize,
    /// First element of the base `[distinct, cols]` in the shared arena.
    pub base: usize,
    /// Whether a node that is not folded reads it.
    pub expanded: bool,
}

/// An attention whose three nodes are computed together, block by block (`ops/blocks.rs`); scores are never kept, the pattern lies outside the arena.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// The node of the scores.
    pub scores: usize,
    /// The node of the values.
    pub values: usize,
    /// First element of the patterns of a tile's examples.
    pub patterns: usize,
}

/// What was decided for each node.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// Computed as usual.
    Plain,
    /// Never computed: everything that reads it is folded.
    Skipped,
    /// Folded.
    Folded(Fold),
    /// A mix node that computes its scores and pattern too; those are skipped.
    Attention(Attention),
}

/// Decides which nodes to fold; offsets are not set yet.
pub fn roles(program: &Program, spaces: &[Space], seq: usize) -> Vec<Role> {
    let nodes = &program.spec.nodes;
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        node.inputs().iter().for_each(|&k| readers[k].push(i));
    }
    let mut roles: Vec<Role> = vec![Role::Plain; nodes.len()];
    for i in 0..nodes.len() {
        if let NodeSpec::Mix { heads, .. } = nodes[i]
            && is_foldable_mix(program, spaces, i, &readers[i])
            && seq * heads * 4 <= program.cols[i]
        {
            roles[i] = Role::Skipped;
        } else if let Some((source, mix)) = source_of(program, spaces, &roles, i) {
            roles[i] = Role::Folded(Fold { source, mix, table: 0, base: 0, expanded: false });
        }
    }
    for i in 0..nodes.len() {
        let read = readers[i].iter().any(|&r| !matches!(roles[r], Role::Folded(_)));
        if let Role::Folded(fold) = &mut roles[i] {
            fold.expanded = read || i == program.spec.output;
        }
    }
    roles
}

fn is_plain_linear(node: &NodeSpec) -> bool {
    matches!(node, NodeSpec::Linear { act_quant: ActQuant::None, .. })
}

/// One query an example, distinct values, and nothing but linear layers behind.
fn is_foldable_mix(program: &Program, spaces: &[Space], i: usize, readers: &[usize]) -> bool {
    let nodes = &program.spec.nodes;
    spaces[i] == Space::Last
        && spaces[nodes[i].inputs()[1]] == Space::Distinct
        && i != program.spec.output
        && readers.iter().all(|&r| is_plain_linear(&nodes[r]))
}

fn source_of(
    program: &Program,
    spaces: &[Space],
    roles: &[Role],
    i: usize,
) -> Option<(Source, usize)> {
    let folded = |k: usize| match &roles[k] {
        Role::Folded(f) => Some(f.mix),
        _ => None,
    };
    match program.spec.nodes[i] {
        NodeSpec::Linear { input: [x], w, b, act_quant: ActQuant::None } => match roles[x] {
            Role::Skipped => Some((Source::Project { mix: x, w, b }, x)),
            Role::Folded(f) => Some((Source::Map { from: x, w, b }, f.mix)),
            Role::Plain | Role::Attention(_) => None,
        },
        NodeSpec::Add { input: [a, b] } => match (folded(a), folded(b)) {
            (Some(mix), None) if spaces[b] == Space::Distinct => {
                Some((Source::Shift { from: a, plus: b }, mix))
            }
            (None, Some(mix)) if spaces[a] == Space::Distinct => {
                Some((Source::Shift { from: b, plus: a }, mix))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Marks the attentions that can be computed in blocks: long sequences of plain rows, and nobody else reads scores or pattern.
pub fn find_attentions(program: &Program, spaces: &[Space], roles: &mut [Role]) {
    let nodes = &program.spec.nodes;
    let readers = |i: usize| nodes.iter().filter(|n| n.inputs().contains(&i)).count();
    let alone = |i: usize| readers(i) == 1 && i != program.spec.output;
    for i in 0..nodes.len() {
        let NodeSpec::Mix { input: [pattern, values], .. } = nodes[i] else { continue };
        let NodeSpec::Softmax { input: [scores] } = nodes[pattern] else { continue };
        let NodeSpec::Scores { input: [q, k], .. } = nodes[scores] else { continue };
        let plain = [i, pattern, scores, values, q, k].iter().all(|&n| spaces[n] == Space::Full);
        if plain && alone(pattern) && alone(scores) {
            roles[i] = Role::Attention(Attention { scores, values, patterns: 0 });
            roles[pattern] = Role::Skipped;
            roles[scores] = Role::Skipped;
        }
    }
}
