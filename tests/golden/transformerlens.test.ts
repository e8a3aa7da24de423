/**
 * TransformerLens 2.16.1 (generate/transformerlens.py): every activation, the logits, the loss, every parameter gradient and every activation gradient
 * of every case in the index.
 */
import { readFileSync } from "node:fs";
import { type CachedRun, configFromTransformerLens, decodeInts, loadCore, Model, type StoredTensor, type Tensor } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { ACT_TOL, expectClose, GRAD_TOL, get, ORACLES, oracle } from "./support.ts";

interface Case {
  readonly config: Record<string, unknown>;
  readonly loss: string;
}

const index = JSON.parse(readFileSync(`${ORACLES}/transformerlens/index.json`, "utf8")) as Record<string, Case>;

/** Targets a row of output, as the index says in words; -1 leaves a row out. */
function targetsOf(loss: string, tokens: Int32Array, [batch, pos]: readonly number[]): Int32Array {
  const rows = (batch as number) * (pos as number);
  if (loss.startsWith("next-token")) return Int32Array.from({ length: rows }, (_, i) => ((i + 1) % (pos as number) === 0 ? -1 : (tokens[i + 1] as number)));
  if (loss.startsWith("cross-entropy of class 0 at the last position")) return Int32Array.from({ length: rows }, (_, i) => ((i + 1) % (pos as number) === 0 ? 0 : -1));
  throw new Error(`unknown loss: ${loss}`);
}

/** Names of the tensors of one kind, without the kind. */
const names = (file: ReadonlyMap<string, StoredTensor>, kind: string): string[] => [...file.keys()].filter((n) => n.startsWith(kind)).map((n) => n.slice(kind.length));

beforeAll(async () => {
  await loadCore();
});

it("has cases", () => expect(Object.keys(index).length).toBeGreaterThan(0));

describe.each(Object.entries(index))("%s", (name, { config, loss }) => {
  const file = oracle(`transformerlens/${name}.safetensors`);
  let run: CachedRun;
  const grad = (hook: string): Tensor => run.cache.get(`${hook}_grad`);

  beforeAll(() => {
    const model = Model.fromConfig(configFromTransformerLens(config));
    model.loadStateDict(new Map(names(file, "param.").map((n) => [n, get(file, `param.${n}`)])));
    const stored = file.get("tokens") as StoredTensor;
    const tokens = { data: decodeInts(stored.dtype, stored.bytes), shape: stored.shape };
    run = model.runWithCache(tokens, { inclGrad: true, paramGrads: true, loss: { targets: targetsOf(loss, tokens.data, stored.shape) } });
    model.dispose();
  });

  it("logits and loss", () => {
    expectClose("logits", run.logits, get(file, "logits"), ACT_TOL);
    const expected = get(file, "loss").data[0] as number;
    expect(Math.abs((run.loss as number) - expected) / expected).toBeLessThanOrEqual(ACT_TOL);
  });
  it("has exactly TransformerLens's activations", () => {
    expect(run.cache.keys().filter((n) => !n.endsWith("_grad")).sort()).toEqual(names(file, "act.").sort());
  });
  it.each(names(file, "act."))("act %s", (hook) => expectClose(hook, run.cache.get(hook), get(file, `act.${hook}`), ACT_TOL));
  it.each(names(file, "actgrad."))("actgrad %s", (hook) => expectClose(hook, grad(hook), get(file, `actgrad.${hook}`), GRAD_TOL));
  it.each(names(file, "grad."))("grad %s", (param) => expectClose(param, run.paramGrads?.get(param) as Tensor, get(file, `grad.${param}`), GRAD_TOL));
});
