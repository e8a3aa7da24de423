//! What a Spec may look like as JSON, and what is said about one that is wrong.

use tritlens_core::program::Program;
use tritlens_core::program::spec::{ActFn, ActQuant, Dim, Init, NodeSpec, Spec};

const GOOD: &str = r#"{"vocab":3,"ctx":2,"output":8,
"params":[{"name":"E","shape":[3,2],"init":{"std":0.5,"kind":"normal"}},
{"name":"W","shape":[2,2],"init":{"kind":"uniform","bound":1},"quant":"ternary"},
{"name":"b","shape":[2],"init":{"kind":"constant","value":-1}}],
"nodes":[{"op":"embed","w":0},{"op":"norm_scale","in":[0],"eps":1e-5},{"in":[0,1],"op":"norm_apply","center":true,"w":2,"b":null},
{"op":"linear","in":[2],"w":1,"b":2,"actQuant":"int8"},{"op":"act","in":[3],"fn":"gelu_new"},{"op":"add","in":[4,0]},
{"op":"glu","in":[5,3],"fn":"silu"},{"op":"gain","in":[6],"w":2},{"op":"last","in":[7]}],
"sites":[{"name":"e","node":0,"shape":["batch","seq",2]}]}"#;

#[test]
fn every_field_arrives() {
    let spec = Spec::from_json(GOOD).unwrap();
    assert_eq!((spec.vocab, spec.ctx, spec.output), (3, 2, 8));
    assert!(matches!(spec.params[0].init, Init::Normal { std: 0.5 }));
    assert!(matches!(spec.params[1].init, Init::Uniform { bound: 1.0 }));
    assert!(matches!(spec.params[2].init, Init::Constant { value: -1.0 }));
    let quants: Vec<&str> = spec.params.iter().map(|p| p.quant.name()).collect();
    assert_eq!(quants, ["none", "ternary", "none"]);
    assert!(matches!(
        spec.nodes[1],
        NodeSpec::NormScale { input: [0], center: false, eps: 1e-5, floor: 0.0, heads: 1 }
    ));
    assert!(matches!(
        spec.nodes[2],
        NodeSpec::NormApply { input: [0, 1], center: true, w: Some(2), b: None, heads: 1 }
    ));
    assert!(matches!(
        spec.nodes[3],
        NodeSpec::Linear { input: [2], w: 1, b: Some(2), act_quant: ActQuant::Int8 }
    ));
    assert!(matches!(spec.nodes[4], NodeSpec::Act { input: [3], f: ActFn::GeluNew }));
    assert!(matches!(spec.nodes[6], NodeSpec::Glu { input: [5, 3], f: ActFn::Silu, b: None }));
    assert!(matches!(&spec.sites[0].shape[..], [Dim::Name(_), Dim::Name(_), Dim::Size(2)]));
    Program::compile(GOOD).unwrap();
}

#[test]
fn attention_arrives() {
    let nodes = r#"[{"op":"pos","w":0},{"op":"rotary","in":[0],"heads":2,"dim":4,"base":10000,"adjacent":true},
        {"op":"scores","in":[1,0],"heads":4,"kvHeads":2,"scale":0.5,"causal":true},{"op":"softmax","in":[2]},{"op":"mix","in":[3,0],"heads":4,"kvHeads":2}]"#;
    let text =
        format!(r#"{{"vocab":1,"ctx":1,"output":0,"params":[],"sites":[],"nodes":{nodes}}}"#);
    let spec = Spec::from_json(&text).unwrap();
    assert!(matches!(spec.nodes[0], NodeSpec::Pos { w: 0 }));
    let rotary = &spec.nodes[1];
    assert!(matches!(
        rotary,
        NodeSpec::Rotary {
            input: [0],
            heads: 2,
            dim: 4,
            base: 10_000.0,
            adjacent: true,
            scale: 1.0,
            ..
        }
    ));
    let scores = &spec.nodes[2];
    assert!(matches!(
        scores,
        NodeSpec::Scores { input: [1, 0], heads: 4, kv_heads: 2, scale: 0.5, causal: true }
    ));
    assert!(matches!(spec.nodes[3], NodeSpec::Softmax { input: [2] }));
    assert!(matches!(spec.nodes[4], NodeSpec::Mix { input: [3, 0], heads: 4, kv_heads: 2 }));
}

#[test]
fn a_wrong_spec_says_what_and_where() {
    for (from, to, says) in [
        (
            r#""op":"add""#,
            r#""op":"sum""#,
            "nodes[5]: unknown op `sum`, expected one of `embed`, `pos`",
        ),
        (r#""op":"add","#, "", "nodes[5]: missing field `op`"),
        (r#""op":"add""#, r#""op":2"#, "nodes[5]: `op` is a whole number, expected a string"),
        (
            r#""w":1,"b":2"#,
            r#""weight":1,"b":2"#,
            "nodes[3]: unknown field `weight`, expected one of `in`, `w`, `b`",
        ),
        (r#""w":1,"b":2"#, r#""b":2"#, "nodes[3]: missing field `w`"),
        (r#""w":1,"b":2"#, r#""w":1,"w":1"#, "duplicate field `w` at line 6"),
        (
            r#""w":1,"b":2"#,
            r#""w":1.0"#,
            "nodes[3]: `w` is a number with sign or fraction, expected a whole number",
        ),
        (
            r#""w":1,"b":2"#,
            r#""w":-1"#,
            "nodes[3]: `w` is a number with sign or fraction, expected a whole number",
        ),
        (r#""w":1,"b":2"#, r#""w":null"#, "nodes[3]: `w` is null, expected a whole number"),
        (
            r#""w":1,"b":2"#,
            r#""w":1,"b":"2""#,
            "nodes[3]: `b` is a string, expected a whole number",
        ),
        (
            r#""in":[4,0]"#,
            r#""in":[4]"#,
            "nodes[5]: `in` is a list, expected a list of two whole numbers",
        ),
        (
            r#""in":[7]"#,
            r#""in":[7,0]"#,
            "nodes[8]: `in` is a list, expected a list of one whole number",
        ),
        (
            r#""in":[7]"#,
            r#""in":7"#,
            "nodes[8]: `in` is a whole number, expected a list of one whole number",
        ),
        (r#""eps":1e-5"#, r#""eps":"small""#, "nodes[1]: `eps` is a string, expected a number"),
        (
            r#""center":true"#,
            r#""center":1"#,
            "nodes[2]: `center` is a whole number, expected a boolean",
        ),
        (r#""center":true"#, r#""center":null"#, "nodes[2]: `center` is null, expected a boolean"),
        (r#""fn":"silu""#, r#""fn":"swish""#, "nodes[6]: `fn` is a string, expected one of `relu`"),
        (
            r#""int8""#,
            r#""int4""#,
            "nodes[3]: `actQuant` is a string, expected one of `none`, `int8`",
        ),
        (
            r#""ternary""#,
            r#""quaternary""#,
            "params[1]: `quant` is a string, expected one of `none`",
        ),
        (r#""kind":"uniform""#, r#""kind":"even""#, "params[1]: unknown kind `even` of init"),
        (r#""value":-1"#, r#""val":-1"#, "params[2]: unknown field `val`, expected one of `value`"),
        (r#""std":0.5,"#, "", "params[0]: missing field `std`"),
        (
            r#"{"kind":"constant","value":-1}"#,
            "0",
            "params[2]: `init` is a whole number, expected an object",
        ),
        (
            r#"["batch","seq",2]"#,
            r#"["batch","seq",-2]"#,
            "sites[0]: `shape` is a list, expected a list of whole numbers",
        ),
        (
            r#""vocab":3"#,
            r#""vocab":3,"extra":1"#,
            "unknown field `extra`, expected one of `vocab`",
        ),
        (r#""vocab":3,"#, "", "missing field `vocab`"),
        (r#"{"op":"embed","w":0}"#, "[]", "`nodes[0]` is a list, expected an object"),
        (r#""e","node""#, r#""e" "node""#, "expected `,` or `}` at line 8"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = Program::compile(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.code, "E_SPEC", "{to}: {error}");
        assert!(error.message.contains(says), "{to}: {error}, not {says}");
    }
    assert!(Spec::from_json("[]").unwrap_err().message.contains("is a list, expected an object"));
    let wide: Vec<String> = (0..20).map(|i| format!("\"{i}\":0")).collect();
    let error = Spec::from_json(&format!("{{{}}}", wide.join(","))).unwrap_err();
    assert!(error.message.contains("too many fields"), "{error}");
}
