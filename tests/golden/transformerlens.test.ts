/**
 * TransformerLens 2.16.1 (generate/transformerlens.py): every activation, the logits, the loss, every parameter gradient and every activation gradient
 * of every case in the index.
 */
import { readFileSync } from "node:fs";
import { type CachedRun, configFromTransformerLens, decodeInts, loadCore, Model, type StoredTensor, Tensor } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { ACT_TOL, expectClose, expectGrad, get, largest, ORACLES, oracle } from "./support.ts";

interface Case {
  readonly config: Record<string, unknown>;
  readonly loss: string;
}

const index = JSON.parse(readFileSync(`${ORACLES}/transformerlens/index.json`, "utf8")) as Record<string, Case>;

/** Targets a row of output, as the index says in words; -1 leaves a row out. */
function targetsOf(loss: string, tokens: Int32Array, [batch, pos]: readonly number[]): Int32Array {
  const rows = (batch as number) * (pos as number);
  if (loss.startsWith("next-token"))
    return Int32Array.from({ length: rows }, (_, i) => ((i + 1) % (pos as number) === 0 ? -1 : (tokens[i + 1] as number)));
  if (loss.startsWith("cross-entropy of class 0 at the last position"))
    return Int32Array.from({ length: rows }, (_, i) => ((i + 1) % (pos as number) === 0 ? 0 : -1));
  throw new Error(`unknown loss: ${loss}`);
}

/** Names of the tensors of one kind, without the kind. */
const names = (file: ReadonlyMap<string, StoredTensor>, kind: string): string[] =>
  [...file.keys()].filter((n) => n.startsWith(kind)).map((n) => n.slice(kind.length));

beforeAll(async () => {
  await loadCore();
});

it("has cases", () => expect(Object.keys(index).length).toBeGreaterThan(0));

/** Runs a case forward and backward. */
function runCase({ config, loss }: Case, file: ReadonlyMap<string, StoredTensor>, splitNorm: boolean): CachedRun {
  const model = Model.fromConfig({ ...configFromTransformerLens(config), splitNorm });
  model.loadStateDict(new Map(names(file, "param.").map((n) => [n, get(file, `param.${n}`)])));
  const stored = file.get("tokens") as StoredTensor;
  const tokens = { data: decodeInts(stored.dtype, stored.bytes), shape: stored.shape };
  const run = model.runWithCache(tokens, { inclGrad: true, paramGrads: true, loss: { targets: targetsOf(loss, tokens.data, stored.shape) } });
  model.dispose();
  return run;
}

/** The gradient at an attention input that comes through one projection: grad of hook_q/k/v times its weight, [batch, pos, d_model]. */
function through(file: ReadonlyMap<string, StoredTensor>, block: string, c: "Q" | "K" | "V"): Float64Array {
  const grad = get(file, `actgrad.${block}.attn.hook_${c.toLowerCase()}`);
  const w = get(file, file.has(`param.${block}.attn.W_${c}`) ? `param.${block}.attn.W_${c}` : `param.${block}.attn._W_${c}`);
  const [heads, dModel, dHead] = w.shape as [number, number, number];
  const rows = grad.size / (heads * dHead);
  const out = new Float64Array(rows * dModel);
  for (let i = 0; i < out.length; i++) {
    const [row, d] = [Math.floor(i / dModel), i % dModel];
    for (let k = 0; k < heads * dHead; k++) {
      const [h, e] = [Math.floor(k / dHead), k % dHead];
      out[i] = (out[i] as number) + (grad.data[row * heads * dHead + k] as number) * (w.data[(h * dModel + d) * dHead + e] as number);
    }
  }
  return out;
}

/** TransformerLens runs ln1 three times (for queries, keys and values) and the oracle keeps the gradient of the last one to fire, the queries'. */
const isLn1 = (hook: string): boolean => hook.includes(".ln1.");

describe.each(Object.entries(index))("%s", (name, testCase) => {
  const file = oracle(`transformerlens/${name}.safetensors`);
  const scale = Math.max(...names(file, "grad.").map((n) => largest(get(file, `grad.${n}`).data)));
  const gradHooks = names(file, "actgrad.");
  let run: CachedRun;
  let split: CachedRun;

  beforeAll(() => {
    run = runCase(testCase, file, false);
    split = runCase(testCase, file, true);
  });

  it("logits and loss", () => {
    expectClose("logits", run.logits, get(file, "logits"), ACT_TOL);
    const expected = get(file, "loss").data[0] as number;
    expect(Math.abs((run.loss as number) - expected) / expected).toBeLessThanOrEqual(ACT_TOL);
  });
  it("has exactly TransformerLens's activations", () => {
    const found = run.cache.keys().filter((n) => !n.endsWith("_grad"));
    expect(found.sort()).toEqual(names(file, "act.").sort());
  });
  it.each(names(file, "act."))("act %s", (hook) => expectClose(hook, run.cache.get(hook), get(file, `act.${hook}`), ACT_TOL));
  it.each(gradHooks)("actgrad %s", (hook) => {
    const found = (isLn1(hook) ? split : run).cache.get(`${hook}_grad`);
    expectGrad(hook, found, get(file, `actgrad.${hook}`), scale);
  });
  it.each(names(file, "grad."))("grad %s", (param) => {
    expectGrad(param, run.paramGrads?.get(param) as Tensor, get(file, `grad.${param}`), scale);
    expectGrad(`${param} (split norm)`, split.paramGrads?.get(param) as Tensor, get(file, `grad.${param}`), scale);
  });
  it.each(gradHooks.filter((h) => h.endsWith(".ln1.hook_normalized")))(
    "the whole gradient of %s is the sum over queries, keys and values",
    (hook) => {
      const block = hook.slice(0, hook.indexOf(".ln1"));
      const [q, k, v] = [through(file, block, "Q"), through(file, block, "K"), through(file, block, "V")];
      // RMSNorm's hook stands before the gain, LayerNorm's behind it.
      const gain = file.has(`param.${block}.ln1.b`) || !file.has(`param.${block}.ln1.w`) ? undefined : get(file, `param.${block}.ln1.w`).data;
      const sum = q.map((x, i) => (x + (k[i] as number) + (v[i] as number)) * (gain ? (gain[i % gain.length] as number) : 1));
      expectGrad(hook, run.cache.get(`${hook}_grad`), Tensor.from(Float32Array.from(sum), get(file, `actgrad.${hook}`).shape), scale);
    },
  );
});
