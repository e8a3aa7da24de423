/** Hooks, caches, edits and gradients behind one backend. */
import { inspect } from "node:util";
import { type Edit, type HookFn, Model, type NameFilter, nandaConfig, Tensor } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeOf, coreUnderTest, smallLi, smallNanda } from "./support.ts";

const tokens = [
  [1, 2, 11],
  [3, 4, 11],
  [10, 0, 11],
];
const targets = Int32Array.from([-1, -1, 3, -1, -1, 7, -1, -1, 10]);

let model: Model;
beforeAll(async () => {
  await coreUnderTest();
  model = smallNanda();
});
afterAll(() => model.dispose());

const logitsWith = (where: NameFilter, action: HookFn | Edit): number[] => [...model.runWithHooks(tokens, { hooks: [[where, action]] }).data];
const plain = (): number[] => [...model.forward(tokens).data];

describe("names", () => {
  it.each([
    ["exact", "blocks.1.attn.hook_z", 1],
    ["version 4 alias", "blocks.1.attn.o.hook_in", 1],
    ["shorthand", "z1", 1],
    ["glob", "blocks.*.attn.hook_z", 2],
    ["RegExp", /hook_resid/, 6],
    ["predicate", (n: string) => n.endsWith("hook_pattern"), 2],
    ["list", ["hook_embed", /hook_z$/], 3],
  ] as [string, NameFilter, number][])("%s", (_, filter, count) => {
    expect(model.runWithCache(tokens, { names: filter }).cache.size).toBe(count);
  });
  it.each(["blocks.0.hook_residpre", "blocks.7.attn.hook_z", "blocks.*.attn.hook_zz", ""])("refuse %j with the nearest", (name) => {
    expect(() => model.runWithCache(tokens, { names: name })).toThrow(/E_NAME.*did you mean .*hook_/);
    expect(() => model.runWithHooks(tokens, { hooks: [[name, () => undefined]] })).toThrow(/E_NAME/);
  });
  it("refuse options that no run has, and text for tokens", () => {
    expect(() => model.runWithHooks(tokens, { fwdHooks: [] } as never)).toThrow(/E_NAME.*fwdHooks.*hooks/);
    expect(() => model.runWithHooks(tokens, [["blocks.0.attn.hook_z", { kind: "zero" }]] as never)).toThrow(/E_SHAPE.*hooks: /);
    expect(() => model.forward("red fox" as never)).toThrow(/E_SHAPE.*toTokens/);
    expect(() => model.forward(undefined as never)).toThrow(/E_SHAPE/);
  });
  it("print as what they are", () => {
    expect(inspect(model)).toMatch(/^Model .*d_model/);
    expect(inspect(model.runWithCache(tokens).cache)).toMatch(/^ActivationCache: \d+ activations.*\n.*hook_embed \[batch 3, pos 3/);
  });
  it("refuse filters that match nothing", () => {
    expect(codeOf(() => model.runWithCache(tokens, { names: /nothing/ }))).toBe("E_NAME");
    expect(codeOf(() => model.runWithCache(tokens, { names: () => false }))).toBe("E_NAME");
  });
  it("the cache names its own nearest", () => {
    const { cache } = model.runWithCache(tokens, { names: "hook_embed" });
    expect(() => cache.get("hook_embedd")).toThrow(/E_NAME.*hook_embed/);
    expect(cache.has("embed")).toBe(true);
    expect(cache.has("blocks.0.hook_resid_pre")).toBe(false);
  });
});

describe("the cache", () => {
  it("holds everything in firing order with named axes", () => {
    const { cache, logits } = model.runWithCache(tokens);
    expect(cache.keys()).toEqual(model.siteNames);
    expect(cache.get("blocks.0.attn.hook_q")).toMatchObject({ shape: [3, 3, 2, 8], axes: ["batch", "pos", "head", "d_head"] });
    expect(cache.get("blocks.0.attn.hook_pattern")).toMatchObject({ shape: [3, 2, 3, 3], axes: ["batch", "head", "query", "key"] });
    expect(logits).toMatchObject({ shape: [3, 3, 12], axes: ["batch", "pos", "class"] });
    expect([...logits.data]).toEqual(plain());
  });
  it("is the same with and without hooks in the run", () => {
    const still = model.runWithCache(tokens).cache;
    const paused = model.runWithCache(tokens, { hooks: [["hook_embed", () => undefined]] }).cache;
    for (const name of still.keys()) expect([...paused.get(name).data], name).toEqual([...still.get(name).data]);
  });
  it("holds a value as it was when its hook fired, though the storage is shared with the next name", () => {
    const { cache } = model.runWithCache(tokens, { hooks: [["blocks.1.hook_resid_pre", { kind: "zero" }]] });
    expect(cache.get("blocks.0.hook_resid_post").data.some((x) => x !== 0)).toBe(true);
    expect(cache.get("blocks.1.hook_resid_pre").data.every((x) => x === 0)).toBe(true);
  });
  it("stays valid after the model is gone", () => {
    const other = smallNanda(3);
    const { cache } = other.runWithCache(tokens);
    other.dispose();
    expect(cache.get("hook_embed").size).toBe(3 * 3 * 16);
  });
});

describe("function hooks", () => {
  it("see values, change them in place or by returning", () => {
    const zero = logitsWith("blocks.0.attn.hook_z", (z) => void z.data.fill(0));
    expect(zero).not.toEqual(plain());
    expect(logitsWith("blocks.0.attn.hook_z", (z) => new Float32Array(z.size))).toEqual(zero);
    expect(logitsWith("blocks.0.attn.hook_z", (z) => Tensor.from(new Float32Array(z.size), z.shape))).toEqual(zero);
    expect(logitsWith("blocks.0.attn.hook_z", () => undefined)).toEqual(plain());
  });
  it("run in the order given, each on the result of the one before", () => {
    const seen: number[] = [];
    const hooks = [1, 2].map((k) => ["hook_embed", (v: Tensor) => void (seen.push(v.data[0] as number) && v.data.fill(k))] as const);
    model.runWithHooks(tokens, { hooks });
    expect(seen[1]).toBe(1);
  });
  it("end with their call, also when they throw", () => {
    expect(() =>
      logitsWith("hook_embed", () => {
        throw new Error("mine");
      }),
    ).toThrow("mine");
    expect(plain()).toEqual(plain());
    const other = smallNanda();
    expect(() =>
      other.runWithHooks(tokens, {
        hooks: [
          [
            "hook_embed",
            () => {
              throw new Error("mine");
            },
          ],
        ],
      }),
    ).toThrow("mine");
    other.dispose(); // would be E_BUSY if the run had leaked
  });
  it("refuse a replacement of another size", () => {
    expect(() => logitsWith("hook_embed", () => new Float32Array(2))).toThrow(/E_SHAPE.*hook_embed/);
    expect(codeOf(() => logitsWith("hook_embed", () => [1, 2] as never))).toBe("E_SHAPE");
  });
  it("may run the model again, but not step their own run", () => {
    let inner: number[] = [];
    let codes: string[] = [];
    logitsWith("hook_embed", (_, { run }) => {
      inner = plain();
      codes = [codeOf(() => run.step()), codeOf(() => run.setTokens({ data: new Int32Array(9), batch: 3, pos: 3 })), codeOf(() => model.dispose())];
    });
    expect(inner).toEqual(plain());
    expect(codes).toEqual(["E_BUSY", "E_BUSY", "E_BUSY"]);
  });
  it("lose their views when they return", () => {
    let kept: Tensor | undefined;
    logitsWith("hook_embed", (v) => {
      kept = v;
    });
    expect(codeOf(() => kept?.data)).toBe("E_CLOSED");
  });
  it("keep their views while another run makes memory grow", () => {
    logitsWith("hook_embed", (v) => {
      const before = v.data.slice();
      const big = smallLi();
      big.runWithCache(
        { data: new Int32Array(3 * 20_000), shape: [20_000, 3] },
        { names: "blocks.0.hook_mlp_out", hooks: [["hook_embed", () => undefined]] },
      );
      big.dispose();
      expect([...v.data]).toEqual([...before]);
    });
  });
  it("must not be asynchronous in a synchronous call", () => {
    expect(codeOf(() => logitsWith("hook_embed", (async () => undefined) as never))).toBe("E_MODE");
    expect(plain()).toEqual(plain());
  });
});

describe("asynchronous hooks", () => {
  it("are awaited, and two runs may interleave", async () => {
    const half = (v: Tensor) => new Promise<Float32Array>((resolve) => setTimeout(() => resolve(v.data.map((x) => x / 2)), 2));
    const run = () => model.runWithHooksAsync(tokens, { hooks: [["blocks.*.attn.hook_z", half]] });
    const [a, b] = await Promise.all([run(), run()]);
    const expected = logitsWith("blocks.*.attn.hook_z", { kind: "scale", factor: 0.5 });
    expect([...a.data]).toEqual(expected);
    expect([...b.data]).toEqual(expected);
  });
  it("clean up when one rejects", async () => {
    const other = smallNanda();
    await expect(other.runWithHooksAsync(tokens, { hooks: [["hook_embed", () => Promise.reject(new Error("mine"))]] })).rejects.toThrow("mine");
    other.dispose();
  });
});

describe("edits", () => {
  const at = { head: 1, pos: [0, 2] } as const;
  /** Applies `f` to the chosen box of hook_z [batch, pos, head, d_head] in JavaScript. */
  const byHand =
    (f: (x: number, row: number, e: number, all: Float32Array) => number): HookFn =>
    (z) => {
      const before = z.data.slice();
      for (let r = 0; r < 9; r++)
        if (r % 3 < 2) for (let e = 0; e < 8; e++) z.data[(r * 2 + 1) * 8 + e] = f(before[(r * 2 + 1) * 8 + e] as number, r, e, before);
    };
  const value = Float32Array.from({ length: 3 * 2 * 8 }, (_, i) => Math.sin(i));
  const direction = Float32Array.from({ length: 8 }, (_, i) => i - 3);
  const norm2 = direction.reduce((s, u) => s + u * u, 0);
  const cases: [string, Edit, ReturnType<typeof byHand>][] = [
    ["zero", { kind: "zero", at }, byHand(() => 0)],
    [
      "mean",
      { kind: "mean", at },
      byHand((_, r, e, all) => [0, 1, 2].reduce((s, b) => s + (all[((b * 3 + (r % 3)) * 2 + 1) * 8 + e] as number), 0) / 3),
    ],
    ["set one number", { kind: "set", value: 0.5, at }, byHand(() => 0.5)],
    ["set a box", { kind: "set", value, at }, byHand((_, r, e) => value[(Math.floor(r / 3) * 2 + (r % 3)) * 8 + e] as number)],
    ["add without the batch", { kind: "add", value: value.slice(0, 16), at }, byHand((x, r, e) => x + (value[(r % 3) * 8 + e] as number))],
    ["scale", { kind: "scale", factor: -2, at }, byHand((x) => -2 * x)],
    [
      "project",
      { kind: "project", direction, at },
      byHand((x, r, e, all) => {
        const dot = direction.reduce((s, u, k) => s + u * (all[(r * 2 + 1) * 8 + k] as number), 0);
        return x - (dot / norm2) * (direction[e] as number);
      }),
    ],
  ];
  it.each(cases)("%s equals the same in JavaScript", (_, edit, hand) => {
    const [fast, slow] = [logitsWith("blocks.0.attn.hook_z", edit), logitsWith("blocks.0.attn.hook_z", hand)];
    for (const [i, x] of fast.entries()) expect(x).toBeCloseTo(slow[i] as number, 5);
    expect(fast).not.toEqual(plain());
  });
  it("run before the functions of their site", () => {
    let seen = Number.NaN;
    model.runWithHooks(tokens, {
      hooks: [
        [
          "hook_embed",
          (v) => {
            seen = v.data[0] as number;
          },
        ],
        ["hook_embed", { kind: "set", value: 4 }],
      ],
    });
    expect(seen).toBe(4);
  });
  it("refuse what does not fit", () => {
    expect(codeOf(() => logitsWith("hook_embed", { kind: "zero", at: { head: 0 } }))).toBe("E_NAME");
    expect(codeOf(() => logitsWith("hook_embed", { kind: "zero", at: { pos: 3 } }))).toBe("E_RANGE");
    expect(codeOf(() => logitsWith("hook_embed", { kind: "set", value: [1, 2] }))).toBe("E_SHAPE");
    expect(codeOf(() => logitsWith("hook_embed", { kind: "erase" } as never))).toBe("E_NAME");
  });
});

describe("gradients", () => {
  const loss = { targets };
  it("agree with finite differences, through edits and hooks", () => {
    const site = "blocks.0.hook_resid_mid";
    const edits: [string, Edit][] = [
      ["blocks.0.mlp.hook_post", { kind: "scale", factor: 0.5, at: { pos: 2 } }],
      ["blocks.1.attn.hook_v", { kind: "mean", at: { head: 0 } }],
    ];
    const lossAt = (index: number, delta: number): number => {
      const bump: HookFn = (v) => v.data.set([(v.data[index] as number) + delta], index);
      return model.runWithCache(tokens, { names: "hook_embed", hooks: [...edits, [site, bump]], loss }).loss as number;
    };
    const { cache } = model.runWithCache(tokens, { names: site, hooks: edits, inclGrad: true, loss });
    const grad = cache.get(`${site}_grad`).data;
    const h = 1e-2;
    for (const i of [0, 17, 40, 100, 143]) expect((lossAt(i, h) - lossAt(i, -h)) / (2 * h)).toBeCloseTo(grad[i] as number, 3);
  });
  it("pass through gradient hooks", () => {
    const zeroed = model.runWithCache(tokens, {
      names: ["hook_embed", "blocks.0.hook_resid_post"],
      inclGrad: true,
      loss,
      gradHooks: [["blocks.0.hook_resid_post", (g) => void g.data.fill(0)]],
    });
    expect(zeroed.cache.get("hook_embed_grad").data.every((x) => x === 0)).toBe(true);
    expect(zeroed.cache.get("blocks.0.hook_resid_post_grad").data.every((x) => x === 0)).toBe(true);
  });
  it("are those of the scalar that the caller seeds", () => {
    const seed = new Float32Array(3 * 3 * 12);
    const a = model.runWithCache(tokens, { names: "hook_embed", inclGrad: true, loss: { targets } });
    const b = model.runWithCache(tokens, {
      names: "hook_embed",
      inclGrad: true,
      loss: (logits) => {
        // d/dlogits of the mean cross-entropy over the three last positions
        for (let r = 0; r < 9; r++) {
          const target = targets[r] as number;
          if (target < 0) continue;
          const row = logits.data.subarray(r * 12, r * 12 + 12);
          const sum = row.reduce((s, x) => s + Math.exp(x), 0);
          row.forEach((x, c) => {
            seed[r * 12 + c] = (Math.exp(x) / sum - (c === target ? 1 : 0)) / 3;
          });
        }
        return seed;
      },
    });
    const [x, y] = [a.cache.get("hook_embed_grad").data, b.cache.get("hook_embed_grad").data];
    for (const [i, v] of x.entries()) expect(y[i]).toBeCloseTo(v, 6);
  });
  it("need a loss that fits", () => {
    expect(codeOf(() => model.runWithCache(tokens, { inclGrad: true }))).toBe("E_RANGE");
    expect(codeOf(() => model.runWithCache(tokens, { inclGrad: true, loss: { targets: [1] } }))).toBe("E_SHAPE");
    expect(codeOf(() => model.runWithCache(tokens, { inclGrad: true, loss: { targets: targets.map(() => 99) } }))).toBe("E_RANGE");
    expect(codeOf(() => model.runWithCache(tokens, { loss: { targets: [Number.NaN] } }))).toBe("E_RANGE");
    expect(codeOf(() => model.runWithCache(tokens, { inclGrad: true, loss: { grad: new Float32Array(2) } }))).toBe("E_SHAPE");
  });
});

describe("stopAtLayer", () => {
  const resid = (name: string): number[] => [...model.runWithCache(tokens, { names: name }).cache.get(name).data];
  it("returns the residual stream ahead of that block", () => {
    expect([...model.runWithHooks(tokens, { stopAtLayer: 0 }).data]).toEqual(resid("blocks.0.hook_resid_pre"));
    expect([...model.runWithHooks(tokens, { stopAtLayer: 1 }).data]).toEqual(resid("blocks.0.hook_resid_post"));
    expect([...model.runWithHooks(tokens, { stopAtLayer: 2 }).data]).toEqual(resid("blocks.1.hook_resid_post"));
    expect([...model.runWithHooks(tokens, { stopAtLayer: -1 }).data]).toEqual(resid("blocks.0.hook_resid_post"));
  });
  it("keeps only what ran", () => {
    const { cache } = model.runWithCache(tokens, { stopAtLayer: 1 });
    expect(cache.has("blocks.0.hook_resid_post")).toBe(true);
    expect(cache.has("blocks.1.attn.hook_q")).toBe(false);
  });
  it("refuses layers that are not there", () => {
    expect(codeOf(() => model.runWithHooks(tokens, { stopAtLayer: 3 }))).toBe("E_RANGE");
    expect(codeOf(() => model.runWithCache(tokens, { stopAtLayer: 1, inclGrad: true, loss: { targets } }))).toBe("E_RANGE");
  });
});

describe("large batches", () => {
  it("run in parts with the same results", () => {
    const big = smallLi("li_ternary");
    const n = 30_000; // several parts of 64 MB of activations
    const data = Int32Array.from({ length: 3 * n }, (_, i) => (i % 3 === 2 ? 11 : (i * 7) % 11));
    const { logits, cache } = big.runWithCache({ data, shape: [n, 3] }, { names: "blocks.0.mlp.hook_post" });
    const last = big.runWithCache({ data: data.slice(3 * (n - 5)), shape: [5, 3] }, { names: "blocks.0.mlp.hook_post" });
    expect(logits.shape).toEqual([n, 11]);
    const tail = logits.data.subarray((n - 5) * 11);
    for (const [i, x] of last.logits.data.entries()) expect(tail[i]).toBeCloseTo(x, 5);
    expect(cache.get("blocks.0.mlp.hook_post").shape).toEqual([n, 3, 40]);
    big.dispose();
  });
});

describe("weights", () => {
  it("come effective and as codes", () => {
    for (const mode of ["li_binary", "binary", "li_ternary", "ternary"] as const) {
      const m = smallLi(mode);
      const { codes, scale } = m.paramCodes("blocks.0.mlp.W_in");
      const effective = m.effectiveParam("blocks.0.mlp.W_in").data;
      for (const [i, c] of codes.entries()) expect(effective[i]).toBe(Math.fround(c * scale) + 0);
      expect(m.quantOf("blocks.0.mlp.W_in")).toBe(mode);
      expect(m.quantOf("embed.W_E")).toBe("none");
      m.dispose();
    }
  });
  it("make a round trip through a state dict", () => {
    const [a, b] = [smallNanda(1), smallNanda(2)];
    expect([...b.forward(tokens).data]).not.toEqual([...a.forward(tokens).data]);
    b.loadStateDict(a.stateDict());
    expect([...b.forward(tokens).data]).toEqual([...a.forward(tokens).data]);
    const bad = a.stateDict();
    bad.set("unembed.W_U", Tensor.from(new Float32Array(1), [1]));
    const before = b.readParam("embed.W_E").data;
    expect(codeOf(() => b.loadStateDict(bad))).toBe("E_SHAPE");
    expect(b.readParam("embed.W_E").data).toEqual(before);
    a.dispose();
    b.dispose();
  });
  it("refuse unknown names with the nearest", () => {
    expect(() => model.weight("blocks.0.attn.W_Z")).toThrow(/E_NAME.*blocks.0.attn.W_/);
  });
});

describe("disposal", () => {
  it("is idempotent, and everything afterwards is E_CLOSED", () => {
    const m = smallLi();
    m.dispose();
    m.dispose();
    for (const call of [() => m.forward(tokens), () => m.runWithCache(tokens), () => m.readParam("embed.W_E"), () => m.stateDict()])
      expect(codeOf(call)).toBe("E_CLOSED");
  });
  it("happens at the end of a scope with Symbol.dispose", () => {
    const m = smallLi();
    m[Symbol.dispose]();
    expect(codeOf(() => m.program)).toBe("E_CLOSED");
  });
});

describe("models", () => {
  it("have the same weights for the same seed and refuse wrong seeds", () => {
    const [a, b] = [smallLi("fp32", 7), smallLi("fp32", 7)];
    expect(a.readParam("embed.W_E").data).toEqual(b.readParam("embed.W_E").data);
    a.dispose();
    b.dispose();
    expect(codeOf(() => smallLi("fp32", -1))).toBe("E_RANGE");
    expect(codeOf(() => smallLi("fp32", 2 ** 53))).toBe("E_RANGE");
    expect(codeOf(() => Model.fromConfig(nandaConfig({ p: 1 })))).toBe("E_RANGE");
  });
  it("of Li's architecture are symmetric in a and b; Nanda's are not", () => {
    const li = smallLi("ternary");
    const [x, y] = [li.forward([[3, 8, 11]]), li.forward([[8, 3, 11]])];
    for (const [i, v] of x.data.entries()) expect(y.data[i]).toBeCloseTo(v, 5);
    li.dispose();
    expect([...model.forward([[3, 8, 11]]).slice("pos", 2).data]).not.toEqual([...model.forward([[8, 3, 11]]).slice("pos", 2).data]);
  });
});
