/** Analyses of codes against the same numbers counted one by one, on latent and on packed models. */
import { type Core, convertModel, Model } from "tritlens";
import {
  codedMatrices,
  integerCircuit,
  matrixSparsity,
  ovCircuit,
  qkCircuit,
  sparsityMap,
  THRESHOLD_BINS,
  TritPlanes,
  thresholdDistances,
  thresholdMap,
  tritOverlap,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { difference } from "../golden/support.ts";
import { packedAndTwin, storedAndTwin, type Twins } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

/** Trits that look random; every seventh row is zero. */
function trits(rows: number, cols: number, seed: number): Int8Array {
  const x = new Float32Array(rows * cols);
  core.random(seed, 1, 0, x);
  return Int8Array.from(x, (u, i) => (Math.floor(i / cols) % 7 === 6 ? 0 : Math.floor(u * 3) - 1));
}

describe("trit planes", () => {
  it.each([
    [1, 1, 1],
    [3, 5, 7],
    [9, 8, 64],
    [4, 11, 1000],
    [16, 16, 515],
  ])("%i rows and %i rows of %i codes", (n, m, cols) => {
    const [a, b] = [trits(n, cols, 1), trits(m, cols, 2)];
    const found = new TritPlanes(a, n, cols, { core }).compare(new TritPlanes(b, m, cols, { core }));
    for (let i = 0; i < n; i++)
      for (let j = 0; j < m; j++) {
        let [agree, disagree] = [0, 0];
        for (let k = 0; k < cols; k++) {
          const dot = a[i * cols + k]! * b[j * cols + k]!;
          if (dot > 0) agree++;
          if (dot < 0) disagree++;
        }
        expect([found.agree[i * m + j], found.disagree[i * m + j]]).toEqual([agree, disagree]);
      }
    expect(found.nonzero[0]).toBe(a.subarray(0, cols).reduce((sum, x) => sum + Math.abs(x), 0));
  });
  it("refuses what are no codes", () => {
    expect(codeOf(() => new TritPlanes(Int8Array.of(1, 2), 1, 2, { core }))).toBe("E_FORMAT");
    expect(codeOf(() => new TritPlanes(Int8Array.of(1), 1, 2, { core }))).toBe("E_SHAPE");
    const [a, b] = [new TritPlanes(Int8Array.of(1), 1, 1, { core }), new TritPlanes(Int8Array.of(1, 0), 1, 2, { core })];
    expect(codeOf(() => a.compare(b))).toBe("E_SHAPE");
  });
});

describe.each(["latent", "stored"] as const)("a %s ternary model", (kind) => {
  let twins: Twins;
  beforeAll(async () => {
    twins = kind === "latent" ? packedAndTwin(core, 5) : await storedAndTwin(core, 5);
  });
  it("overlaps of heads, rows and layers are those of the codes", () => {
    const { packed } = twins;
    const heads = tritOverlap(packed, { weight: "attn.W_Q", unit: "heads" });
    expect(heads.labels.slice(3, 5)).toEqual(["L0H3", "L1H0"]);
    const part = (layer: number, head: number) => packed.trits(`blocks.${layer}.attn.W_Q`).data.subarray(head * 8 * 32, (head + 1) * 8 * 32);
    const [a, b] = [part(0, 1), part(1, 2)];
    const [both, same, differ] = [0, 1, 2].map((what) =>
      a.reduce((n, x, i) => n + Number([x !== 0 && b[i] !== 0, x !== 0 && x === b[i], x !== b[i]][what]), 0),
    ) as [number, number, number];
    const either = a.reduce((n, x, i) => n + Number(x !== 0 || b[i] !== 0), 0);
    expect(heads.agreement.at(1, 6)).toBeCloseTo(same / both, 6);
    expect(heads.support.at(1, 6)).toBeCloseTo(both / either, 6);
    expect(heads.hamming.at(1, 6)).toBe(differ);
    expect(heads.dot.at(1, 6)).toBe(2 * same - both);
    expect(heads.hamming.at(6, 6)).toBe(0);
    expect(heads.cosine.at(6, 6)).toBeCloseTo(1, 6);
    expect(Math.abs(heads.top(1)[0]!.z)).toBeGreaterThan(0);
    const out = tritOverlap(packed, { weight: "attn.W_O", unit: "heads" });
    const column = packed.trits("blocks.0.attn.W_O");
    let dot = 0;
    for (let d = 0; d < 32; d++) for (let k = 0; k < 8; k++) dot += column.at(d, k) * column.at(d, 16 + k);
    expect(out.dot.at(0, 2)).toBe(dot);
    const neurons = tritOverlap(packed, {
      weight: "mlp.W_in",
      unit: "rows",
      layers: [1],
      with: { weight: "mlp.W_out", unit: "columns", layers: [1] },
    });
    expect(neurons.dot.shape).toEqual([48, 48]);
    expect(neurons.dot.at(3, 7)).toBe(
      Array.from({ length: 32 }, (_, d) => packed.trits("blocks.1.mlp.W_in").at(3, d) * packed.trits("blocks.1.mlp.W_out").at(d, 7)).reduce(
        (x, y) => x + y,
      ),
    );
    expect(tritOverlap(packed, { weight: "mlp.W_in", unit: "layers" }).labels).toEqual(["L0", "L1"]);
  });
  it("integer QK and OV times their scale are the circuits of the dense twin", () => {
    const { packed, twin } = twins;
    for (const [layer, head] of [
      [0, 1],
      [1, 3],
    ] as const) {
      const [qk, ov] = [integerCircuit(packed, "QK", { layer, head }), integerCircuit(packed, "OV", { layer, head })];
      expect(difference(qk.values().data, qkCircuit(twin).index(layer, head).AB.data)).toBeLessThan(1e-5);
      expect(difference(ov.values().data, ovCircuit(twin).index(layer, head).AB.data)).toBeLessThan(1e-5);
      expect(qk.histogram().reduce((a, b) => a + b)).toBe(32 * 32);
      const all = Array.from(qk.counts.data, Math.abs).sort((a, b) => b - a);
      expect(qk.top(7).map(({ count }) => Math.abs(count))).toEqual(all.slice(0, 7));
      expect(qk.top(1)[0]!.count).toBe(qk.counts.at(qk.top(1)[0]!.row, qk.top(1)[0]!.column));
    }
  });
  it("counts zeros", () => {
    const { packed } = twins;
    const map = sparsityMap(packed);
    expect(map.zeros.shape).toEqual([2, 7]);
    const codes = packed.trits("blocks.1.mlp.W_gate");
    const zeros = codes.data.reduce((n, x) => n + Number(x === 0), 0) / codes.size;
    const sum = codes.data.reduce((n, x) => n + x, 0);
    const at = map.matrices.indexOf("mlp.W_gate");
    expect(map.zeros.at(1, at)).toBeCloseTo(zeros, 6);
    expect(map.balance.at(1, at)).toBeCloseTo(sum / ((1 - zeros) * codes.size), 5);
    const one = matrixSparsity(packed, "blocks.1.mlp.W_gate", { blocks: 4 });
    expect(one.map.shape).toEqual([4, 4]);
    expect(one.map.data.reduce((a, b) => a + b) / 16).toBeCloseTo(zeros, 5);
    expect(one.outputs.at(5)).toBeCloseTo(codes.slice("d_out", 5).data.reduce((n, x) => n + Number(x === 0), 0) / 32, 5);
    expect(one.inputs.at(5)).toBeCloseTo(codes.slice("d_in", 5).data.reduce((n, x) => n + Number(x === 0), 0) / 48, 5);
    expect(codeOf(() => matrixSparsity(packed, "embed.W_E"))).toBe("E_NAME");
  });
  it("says what is wrong", () => {
    const { packed, twin } = twins;
    expect(codedMatrices(packed)).toHaveLength(14);
    expect(codedMatrices(twin)).toHaveLength(0);
    for (const call of [
      () => sparsityMap(twin),
      () => tritOverlap(twin, { weight: "attn.W_Q", unit: "heads" }),
      () => integerCircuit(twin, "QK", { layer: 0, head: 0 }),
      () => tritOverlap(packed, { weight: "mlp.W_in", unit: "heads" }),
    ])
      expect(codeOf(call)).toBe("E_MODE");
    expect(codeOf(() => tritOverlap(packed, { weight: "attn.W_X", unit: "heads" }))).toBe("E_NAME");
    expect(codeOf(() => tritOverlap(packed, { weight: "attn.W_Q", unit: "rows" }))).toBe("E_RANGE");
    expect(codeOf(() => tritOverlap(packed, { weight: "attn.W_Q", unit: "rows", layers: [2] }))).toBe("E_RANGE");
    expect(codeOf(() => tritOverlap(packed, { weight: "attn.W_Q", unit: "heads", with: { weight: "attn.W_Q", unit: "layers" } }))).toBe("E_SHAPE");
    expect(codeOf(() => integerCircuit(packed, "QK", { layer: 0, head: 4 }))).toBe("E_RANGE");
    expect(codeOf(() => integerCircuit(packed, "KQ" as "QK", { layer: 0, head: 0 }))).toBe("E_NAME");
    if (kind === "stored") expect(codeOf(() => thresholdDistances(packed))).toBe("E_MODE");
    expect(codeOf(() => thresholdDistances(twin))).toBe("E_MODE");
  });
});

describe("thresholds", () => {
  it.each(["ternary", "li_ternary", "binary", "li_binary"] as const)("%s: the side of the nearest threshold is the code", (quantizer) => {
    const model = Model.fromConfig({ nLayers: 1, dModel: 16, dHead: 4, nHeads: 4, dMlp: 24, nCtx: 4, dVocab: 7, quantizer }, { core, seed: 3 });
    const name = "blocks.0.mlp.W_in";
    const map = thresholdMap(model, name);
    const [{ thresholds, histogram, near, median }] = thresholdDistances(model, { names: [name] }).matrices as [
      ReturnType<typeof thresholdDistances>["matrices"][0],
    ];
    const codes = model.trits(name).data;
    const ternary = quantizer.endsWith("ternary");
    expect(thresholds).toEqual(ternary ? [-0.5, 0.5] : [0]);
    // The dense twin asked about the same quantiser says the same.
    const { scale, shift } = thresholdDistances(model, { names: [name] }).matrices[0]!;
    const latent = model.readParam(name).data;
    let within = 0;
    for (let i = 0; i < codes.length; i++) {
      const x = (latent[i]! - shift) / scale;
      expect(ternary ? (Math.abs(x) > 0.5 ? Math.sign(x) : 0) : Math.sign(x)).toBe(codes[i]);
      const distance = ternary ? Math.abs(Math.abs(x) - 0.5) : Math.abs(x);
      expect(Math.abs(map.data[i]!)).toBeCloseTo(distance, 5);
      if (distance < 0.05) within++;
    }
    expect(near[1]).toBeCloseTo(within / codes.length, 6);
    expect(median).toBeGreaterThan(near[0]!);
    expect([histogram.length, histogram.reduce((a, b) => a + b)]).toEqual([THRESHOLD_BINS, codes.length]);
    const plain = Model.fromConfig({ ...model.config!, quantizer: "none" }, { core });
    plain.writeParam(name, latent);
    expect(thresholdMap(plain, name, { quantizer }).data).toEqual(map.data);
    expect(thresholdDistances(plain, { quantizer }).matrices).toHaveLength(6);
    expect(codeOf(() => thresholdDistances(model, { names: ["blocks.0.mlp.W_on"] }))).toBe("E_NAME");
    model.dispose();
    plain.dispose();
  });
});

describe("scales of one's own", () => {
  it("integer products refuse scales inside of the sum and take those of outputs", async () => {
    const dense = Model.fromConfig({ nLayers: 1, dModel: 32, dHead: 8, nHeads: 4, dMlp: 32, nCtx: 4, dVocab: 7 }, { core, seed: 1 });
    const { model: rows } = await convertModel(dense, { format: "ternary", granularity: "row", tokens: null });
    expect(codeOf(() => integerCircuit(rows, "QK", { layer: 0, head: 0 }))).toBe("E_MODE");
    const { model: mixed } = await convertModel(dense, { format: "ternary", tokens: null });
    const name = "blocks.0.attn.W_O";
    const scales = Float32Array.from({ length: 32 }, (_, i) => 1 + i / 8);
    core.setStoredCodes(mixed.program, mixed.paramNames.indexOf(name), "ternary2", 0, mixed.trits(name).data, scales, new Float32Array(0));
    const found = integerCircuit(mixed, "OV", { layer: 0, head: 2 });
    expect(found.scale).toHaveLength(32);
    expect(difference(found.values().data, ovCircuit(mixed).index(0, 2).AB.data)).toBeLessThan(1e-5);
    for (const model of [dense, rows, mixed]) model.dispose();
  });
});
