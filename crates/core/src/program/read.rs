//! A [`Spec`] from JSON: which fields each part has, which may be left out, and what is said about the rest.

use crate::error::{CoreError, Result, codes};
use crate::program::json::{Fields, FromJson, Json, Read};
use crate::program::spec::{ActFn, ActQuant, Dim, Init, NodeSpec, ParamSpec, SiteSpec, Spec};
use crate::quant::Quant;

impl Spec {
    /// Reads a Spec; what its numbers mean is checked by [`Program::compile`](crate::program::Program::compile).
    ///
    /// # Errors
    /// `E_SPEC` with what is wrong and where: not JSON, an unknown operation, a field that is unknown, missing, there twice or of another type.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|e| e.to_string())
            .and_then(|json: Json| spec(json.fields("the whole")?))
            .map_err(|e| CoreError::new(codes::SPEC, format!("the Spec is not valid: {e}")))
    }
}

fn spec(mut f: Fields) -> Read<Spec> {
    f.only(&["vocab", "ctx", "params", "nodes", "sites", "output"])?;
    Ok(Spec {
        vocab: f.get("vocab")?,
        ctx: f.get("ctx")?,
        params: f.objects("params", param)?,
        nodes: f.objects("nodes", node)?,
        sites: f.objects("sites", site)?,
        output: f.get("output")?,
    })
}

fn param(mut f: Fields) -> Read<ParamSpec> {
    f.only(&["name", "shape", "init", "quant", "stored"])?;
    Ok(ParamSpec {
        name: f.get("name")?,
        shape: f.get("shape")?,
        init: f.object("init").and_then(init)?,
        quant: f.get_or_default("quant")?,
        stored: f.get_or_default("stored")?,
    })
}

fn init(mut f: Fields) -> Read<Init> {
    let kind: String = f.get("kind")?;
    let number = |mut f: Fields, name: &str| f.only(&[name]).and_then(|()| f.get(name));
    match kind.as_str() {
        "normal" => Ok(Init::Normal { std: number(f, "std")? }),
        "uniform" => Ok(Init::Uniform { bound: number(f, "bound")? }),
        "constant" => Ok(Init::Constant { value: number(f, "value")? }),
        _ => Err(format!(
            "unknown kind `{kind}` of init, expected one of `normal`, `uniform`, `constant`"
        )),
    }
}

fn site(mut f: Fields) -> Read<SiteSpec> {
    f.only(&["name", "node", "shape"])?;
    Ok(SiteSpec { name: f.get("name")?, node: f.get("node")?, shape: f.get("shape")? })
}

/// The fields of each operation besides `op`, in the order of [`NodeSpec`].
const OPS: [(&str, &[&str]); 18] = [
    ("embed", &["w"]),
    ("pos", &["w"]),
    ("add", &["in"]),
    ("norm_scale", &["in", "center", "eps", "floor", "heads"]),
    ("norm_apply", &["in", "center", "w", "b", "heads"]),
    ("gain", &["in", "w", "heads"]),
    ("copy", &["in"]),
    ("codes", &["in"]),
    ("code_scale", &["in"]),
    ("acc", &["in", "w"]),
    ("linear", &["in", "w", "b", "actQuant"]),
    ("rotary", &["in", "heads", "dim", "base", "adjacent", "freqs", "scale"]),
    ("scores", &["in", "heads", "kvHeads", "scale", "causal"]),
    ("softmax", &["in"]),
    ("mix", &["in", "heads", "kvHeads"]),
    ("act", &["in", "fn"]),
    ("glu", &["in", "fn", "b"]),
    ("last", &["in"]),
];

fn node(mut f: Fields) -> Read<NodeSpec> {
    let op: String = f.get("op")?;
    let known = OPS.iter().find(|(name, _)| *name == op);
    if let Some((_, fields)) = known {
        f.only(fields)?;
    }
    Ok(match op.as_str() {
        "embed" => NodeSpec::Embed { w: f.get("w")? },
        "pos" => NodeSpec::Pos { w: f.get("w")? },
        "add" => NodeSpec::Add { input: f.get("in")? },
        "norm_scale" => NodeSpec::NormScale {
            input: f.get("in")?,
            center: f.get_or_default("center")?,
            eps: f.get("eps")?,
            floor: f.get_or_default("floor")?,
            heads: heads(&mut f)?,
        },
        "norm_apply" => NodeSpec::NormApply {
            input: f.get("in")?,
            center: f.get_or_default("center")?,
            w: f.get_or_default("w")?,
            b: f.get_or_default("b")?,
            heads: heads(&mut f)?,
        },
        "gain" => NodeSpec::Gain { input: f.get("in")?, w: f.get("w")?, heads: heads(&mut f)? },
        "copy" => NodeSpec::Copy { input: f.get("in")? },
        "codes" => NodeSpec::Codes { input: f.get("in")? },
        "code_scale" => NodeSpec::CodeScale { input: f.get("in")? },
        "acc" => NodeSpec::Acc { input: f.get("in")?, w: f.get("w")? },
        "linear" => NodeSpec::Linear {
            input: f.get("in")?,
            w: f.get("w")?,
            b: f.get_or_default("b")?,
            act_quant: f.get_or_default("actQuant")?,
        },
        "rotary" => NodeSpec::Rotary {
            input: f.get("in")?,
            heads: f.get("heads")?,
            dim: f.get("dim")?,
            base: f.get("base")?,
            adjacent: f.get_or_default("adjacent")?,
            freqs: f.get_or_default::<Option<Vec<f32>>>("freqs")?.unwrap_or_default().into(),
            scale: f.get_or_default::<Option<f32>>("scale")?.unwrap_or(1.0),
        },
        "scores" => NodeSpec::Scores {
            input: f.get("in")?,
            heads: f.get("heads")?,
            kv_heads: f.get("kvHeads")?,
            scale: f.get("scale")?,
            causal: f.get("causal")?,
        },
        "softmax" => NodeSpec::Softmax { input: f.get("in")? },
        "mix" => NodeSpec::Mix {
            input: f.get("in")?,
            heads: f.get("heads")?,
            kv_heads: f.get("kvHeads")?,
        },
        "act" => NodeSpec::Act { input: f.get("in")?, f: f.get("fn")? },
        "glu" => NodeSpec::Glu { input: f.get("in")?, f: f.get("fn")?, b: f.get_or_default("b")? },
        "last" => NodeSpec::Last { input: f.get("in")? },
        _ => {
            let names: Vec<&str> = OPS.iter().map(|(name, _)| *name).collect();
            return Err(format!("unknown op `{op}`, expected one of `{}`", names.join("`, `")));
        }
    })
}

/// Vectors side by side in a row: 1 where nothing is said.
fn heads(f: &mut Fields) -> Read<usize> {
    Ok(f.get_or_default::<Option<usize>>("heads")?.unwrap_or(1))
}

impl FromJson for Quant {
    const WHAT: &'static str = "one of `none`, `li_binary`, `binary`, `li_ternary`, `ternary`";

    fn from_json(json: Json) -> Option<Self> {
        Self::from_name(&String::from_json(json)?)
    }
}

impl FromJson for ActFn {
    const WHAT: &'static str = "one of `relu`, `relu2`, `gelu`, `gelu_new`, `silu`";

    fn from_json(json: Json) -> Option<Self> {
        match String::from_json(json)?.as_str() {
            "relu" => Some(Self::Relu),
            "relu2" => Some(Self::Relu2),
            "gelu" => Some(Self::Gelu),
            "gelu_new" => Some(Self::GeluNew),
            "silu" => Some(Self::Silu),
            _ => None,
        }
    }
}

impl FromJson for ActQuant {
    const WHAT: &'static str = "one of `none`, `int8`";

    fn from_json(json: Json) -> Option<Self> {
        match String::from_json(json)?.as_str() {
            "none" => Some(Self::None),
            "int8" => Some(Self::Int8),
            _ => None,
        }
    }
}

impl FromJson for Vec<Dim> {
    const WHAT: &'static str = "a list of whole numbers, `batch` and `seq`";

    fn from_json(json: Json) -> Option<Self> {
        let dim = |json| match json {
            Json::Text(name) => Some(Dim::Name(name)),
            other => usize::from_json(other).map(Dim::Size),
        };
        Vec::<Json>::from_json(json)?.into_iter().map(dim).collect()
    }
}
