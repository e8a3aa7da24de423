import { describe, expect, it } from "vitest";
import { SpecBuilder } from "./build.ts";
import { getActName, resolveAlias } from "./names.ts";

describe("SpecBuilder", () => {
  it("refuses forward references and names used twice", () => {
    const b = new SpecBuilder(4, 2);
    const w = b.param("embed.W_E", [4, 8], { kind: "normal", std: 1 });
    const x = b.node({ op: "embed", w });
    expect(() => b.node({ op: "add", in: [x, 1] })).toThrow(/E_SPEC.*reads node 1/);
    expect(() => b.param("embed.W_E", [1], { kind: "constant", value: 0 })).toThrow(/E_SPEC/);
    b.site("hook_embed", x, ["batch", "seq", 8]);
    expect(() => b.site("hook_embed", x, ["batch", "seq", 8])).toThrow(/E_SPEC/);
    expect(b.build(x)).toMatchObject({ vocab: 4, ctx: 2, output: 0 });
  });
});

describe("getActName", () => {
  // The cases of TransformerLens's own documentation of get_act_name.
  it.each([
    [["k", 6, "a"], "blocks.6.attn.hook_k"],
    [["pre", 2], "blocks.2.mlp.hook_pre"],
    [["embed"], "hook_embed"],
    [["normalized", 27, "ln2"], "blocks.27.ln2.hook_normalized"],
    [["k6"], "blocks.6.attn.hook_k"],
    [["scale4ln1"], "blocks.4.ln1.hook_scale"],
    [["pre5"], "blocks.5.mlp.hook_pre"],
    [["normalized"], "ln_final.hook_normalized"],
    [["attn", 3], "blocks.3.attn.hook_pattern"],
    [["attn_logits", 1], "blocks.1.attn.hook_attn_scores"],
    [["resid_post", 0], "blocks.0.hook_resid_post"],
    [["attn_out", 1], "blocks.1.hook_attn_out"],
    [["blocks.0.hook_resid_pre"], "blocks.0.hook_resid_pre"],
  ] as [[string, number?, string?], string][])("%j", (args, expected) => {
    expect(getActName(...args)).toBe(expected);
  });
});

describe("resolveAlias", () => {
  it("prefers pre_linear for a gated MLP's in layer", () => {
    const gated = new Set(["blocks.1.mlp.hook_pre", "blocks.1.mlp.hook_pre_linear"]);
    expect(resolveAlias("blocks.1.mlp.in.hook_out", (n) => gated.has(n))).toBe("blocks.1.mlp.hook_pre_linear");
    expect(resolveAlias("blocks.1.mlp.in.hook_out", (n) => n === "blocks.1.mlp.hook_pre")).toBe("blocks.1.mlp.hook_pre");
    expect(resolveAlias("embed.hook_out", () => true)).toBe("hook_embed");
    expect(resolveAlias("blocks.0.nothing", () => true)).toBeUndefined();
  });
});
