/** The small build: the same activations as the full one, hooks and edits, and typed errors for what it leaves out. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Core, loadCore, Model, modularAddition, train } from "tritlens";
import { liConfig } from "tritlens/models";
import { beforeAll, describe, expect, it } from "vitest";

const CONFIG = liConfig({ p: 13, mode: "ternary", dModel: 16, nHeads: 2, dHead: 8, dMlp: 24 });
const TOKENS = [
  [1, 2, 13],
  [5, 7, 13],
];

let small: Core;
let full: Core;
beforeAll(async () => {
  const wasmBinary = readFileSync(createRequire(import.meta.url).resolve("@tritlens/wasm/tritlens_inference_bg.wasm"));
  small = await loadCore({ backend: "wasm", wasmPackage: () => import("@tritlens/wasm/inference"), wasmBinary });
  full = await loadCore({ backend: "wasm", parallel: "none" });
});

describe("the build for inference", () => {
  it("computes the activations of the full one, bit for bit, with an edit on the way", () => {
    const [a, b] = [small, full].map((core) => {
      using model = Model.fromConfig(CONFIG, { core, seed: 4 });
      const seen: number[][] = [];
      const logits = model.runWithHooks(TOKENS, {
        hooks: [
          ["blocks.0.attn.hook_z", { kind: "scale", factor: 0.5, at: { head: 1 } }],
          ["blocks.0.hook_mlp_out", (value) => void seen.push([...value.data])],
        ],
      });
      return { logits: [...logits.data], seen };
    });
    expect(a).toEqual(b);
    expect(a?.seen).toHaveLength(1);
    expect(small).not.toBe(full);
  });

  it("says what it has not", async () => {
    using model = Model.fromConfig(CONFIG, { core: small, seed: 4 });
    expect(() => small.openRun(model.program, 2, 3, true)).toThrow(/E_BACKEND.*no openRun/);
    await expect(train(model, modularAddition({ p: 13 }), { steps: 1 }).next()).rejects.toMatchObject({ code: "E_BACKEND" });
  });
});
