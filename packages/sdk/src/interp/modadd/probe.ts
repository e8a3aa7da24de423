/** A tritlens model as a probe: replacements are hooks that write into the activations as they pass. */
import type { HookFn, Model } from "../../hooks/index.ts";
import { copyRows, forParts, modAddConfig, pairRange, pairTokens } from "./collect.ts";
import type { Floats, ModAddProbe, ModAddReplacements } from "./input.ts";

/** Where each replacement goes, and whether it covers all positions or the read-out position only. */
const PLACES: Record<keyof ModAddReplacements, { site: string; all?: boolean }> = {
  embed: { site: "hook_embed", all: true },
  pattern: { site: "blocks.0.attn.hook_pattern" },
  residMid: { site: "blocks.0.hook_resid_mid" },
  neurons: { site: "blocks.0.mlp.hook_post" },
  residPost: { site: "blocks.0.hook_resid_post" },
};

/**
 * Makes a probe.
 *
 * @param p - Modulus; the model's own when left out.
 * @throws TritlensError E_SPEC for another architecture.
 */
export function modAddProbe(model: Model, p?: number): ModAddProbe {
  const config = modAddConfig(model, p);
  return {
    logits: async (replacements) => replacedLogits(model, config.p, config.nHeads, replacements),
    embeddingGradients: async (triples) => embeddingGradients(model, config.p, config.dVocabOut, triples),
  };
}

function replacedLogits(model: Model, p: number, heads: number, replacements: ModAddReplacements): Float32Array {
  const given = Object.entries(replacements) as [keyof ModAddReplacements, Floats][];
  const out = new Float32Array(p ** 3);
  forParts(p * p, (from, to) => {
    const hooks = given.map(([key, values]) => {
      const part = values.subarray((values.length / (p * p)) * from, (values.length / (p * p)) * to);
      return [PLACES[key].site, PLACES[key].all ? writeAll(part) : writeLast(part, (to - from) * (key === "pattern" ? heads : 1))] as const;
    });
    copyRows(model.runWithHooks(pairTokens(p, pairRange(from, to)), { hooks }).data, out, from, to, p);
  });
  return out;
}

const writeAll =
  (values: Floats): HookFn =>
  (x) =>
    void x.data.set(values);

/** Writes rows [row, n] to the last of three positions of x [row, 3, n]. */
function writeLast(values: Floats, rows: number): HookFn {
  return (x) => {
    const { data } = x;
    const n = values.length / rows;
    for (let row = 0; row < rows; row++) data.set(values.subarray(row * n, (row + 1) * n), (row * 3 + 2) * n);
  };
}

/** dL_c / dE_a and dL_c / dE_b of each triple, [triple, 2, d]. */
function embeddingGradients(model: Model, p: number, classes: number, triples: readonly (readonly [number, number, number])[]): Float32Array {
  const tokens = triples.map(([a, b]) => [a, b, p]);
  const grad = new Float32Array(triples.length * classes);
  triples.forEach(([, , c], row) => {
    grad[row * classes + c] = 1;
  });
  const { cache } = model.runWithCache(tokens, { names: "hook_embed", inclGrad: true, loss: { grad } });
  const { data } = cache.get("hook_embed_grad");
  const d = data.length / (triples.length * 3);
  const out = new Float32Array(triples.length * 2 * d);
  for (let row = 0; row < triples.length; row++) out.set(data.subarray(row * 3 * d, (row * 3 + 2) * d), row * 2 * d);
  return out;
}
