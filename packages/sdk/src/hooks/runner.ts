/** Runs a compiled program: opens runs, drives them through hooks, cuts large batches into parts. What {@link Model} and {@link Session} share. */
import type { Core, ProgramHandle, SessionHandle } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import type { Spec } from "../spec/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { axesOf } from "./axes.ts";
import type { CacheSource } from "./cache/source.ts";
import { Collector, examplesPerPart, parts, runPart } from "./chunks.ts";
import { backward, driveSync, forward, type RunPlan, readOnly, type Steps } from "./drive.ts";
import { applyLoss } from "./loss.ts";
import type { AsyncRunOptions, CacheOptions } from "./options.ts";
import { Run, RunLayouts } from "./run.ts";
import { HookSpace } from "./space.ts";
import type { TokenRows } from "./tokens.ts";
import { blockSites, TOKEN_SITE } from "./virtual/list.ts";
import type { ModelParts } from "./virtual/part.ts";
import { VirtualRun } from "./virtual/run.ts";
import type { Weights } from "./weights.ts";

/** What a run gives beside its cache. */
export interface Outcome {
  readonly logits: Tensor;
  readonly loss?: number;
  readonly paramGrads?: Map<string, Tensor>;
}

/** How an inference run continues. */
export interface Continuation {
  /** What was run before; 0 for nothing. */
  readonly session: SessionHandle | 0;
  /** Logits of the last position only. */
  readonly lastOnly: boolean;
}

const ALONE: Continuation = { session: 0, lastOnly: false };

/** Sites that a plan looks at. */
export function heard(plan: RunPlan): Set<number> {
  const virtual = plan.virtual.flatMap(({ site }) => [site.after, ...site.targets]).filter((i) => i >= 0);
  return new Set([...plan.forward.keys(), ...plan.edits.map((e) => e.site), ...plan.keep, ...(plan.stop ? [plan.stop.site] : []), ...virtual]);
}

/** Operations whose output nothing reads. */
const TAPS = new Set(["codes", "code_scale", "acc"]);

/** Runs one program. */
export class Runner {
  readonly core: Core;
  readonly names: readonly string[];
  readonly layers: number;
  /** Open runs. */
  active = 0;
  readonly #program: () => ProgramHandle;
  readonly #axes: readonly (readonly string[])[];
  readonly #chunkable: boolean;
  /** Sites that show what a quantised product works with: nothing reads them, so changing them would change nothing. */
  readonly #taps: ReadonlySet<number>;
  readonly #layouts: RunLayouts = new RunLayouts();
  readonly #elements: Map<number, number> = new Map();
  readonly #parts: (names: readonly string[]) => ModelParts | undefined;
  readonly #sites: Spec["sites"];
  #source: CacheSource | undefined;

  /**
   * @param program - Gives the handle, or throws E_CLOSED after the model was disposed.
   * @param parts - What activations without a node are worked out from, given the names of the others; undefined without a config.
   */
  constructor(core: Core, program: () => ProgramHandle, spec: Spec, parts: (names: readonly string[]) => ModelParts | undefined) {
    this.core = core;
    this.#parts = parts;
    this.#program = program;
    this.#sites = spec.sites;
    this.names = spec.sites.map((s) => s.name);
    this.layers = this.names.filter((n) => /^blocks\.\d+\.hook_resid_post$/.test(n)).length;
    this.#axes = spec.sites.map(axesOf);
    const isTap = (i: number): boolean => TAPS.has(spec.nodes[spec.sites[i]?.node as number]?.op as string);
    this.#taps = new Set(Array.from(spec.sites.keys()).filter(isTap));
    this.#chunkable = spec.sites.every((s) => s.shape[0] === "batch");
  }

  get program(): ProgramHandle {
    return this.#program();
  }

  /** What caches are read with, made when first asked for. */
  get source(): CacheSource {
    if (this.#source) return this.#source;
    const parts = this.#parts(this.names);
    this.#source = { parts, space: new HookSpace(this.#sites, [TOKEN_SITE, ...(parts ? blockSites(parts) : [])]) };
    return this.#source;
  }

  /** Every activation. */
  get space(): HookSpace {
    return this.source.space;
  }

  /** A run that shares memory and listens to these sites. */
  inference(rows: { batch: number; pos: number }, listen: Iterable<number>, how: Continuation = ALONE): Run {
    return Run.inference(this.core, this.#program(), this.#axes, rows, listen, how);
  }

  /** Runs with hooks; fills the cache. */
  *run(rows: TokenRows, plan: RunPlan, options: CacheOptions | AsyncRunOptions, cache: Map<string, Tensor>, weights: Weights): Steps<Outcome> {
    this.#refuseEditedTaps(plan);
    const wanted = "paramGrads" in options ? options.paramGrads : undefined;
    const ofVirtual = plan.virtual.some((e) => e.keepGrad || e.gradHooks.length > 0);
    const backwards = plan.backward.size > 0 || plan.keepGrad.size > 0 || ofVirtual || Boolean(wanted);
    const lossOf = options.loss;
    const taps = this.#taps;
    const open = backwards ? () => this.#withGradients(rows, Boolean(wanted)) : () => this.inference(rows, heard(plan));
    return yield* this.using(open, function* (run): Steps<Outcome> {
      const virtual = plan.virtual.length > 0 ? new VirtualRun(run, plan.virtual) : undefined;
      run.setTokens(virtual ? yield* virtual.tokens(rows, cache) : rows);
      const residual = yield* forward(run, plan, cache, taps, virtual);
      if (wanted && virtual?.changed) throw noParamGrads();
      if (residual) return { logits: residual };
      const logits = run.output();
      const loss = lossOf === undefined ? undefined : applyLoss(run, lossOf, logits, backwards);
      const value = loss === undefined ? {} : { loss };
      if (!backwards) return { logits, ...value };
      yield* backward(run, plan, cache, virtual);
      return { logits, ...value, ...(wanted ? { paramGrads: paramGradients(run, weights, wanted) } : {}) };
    });
  }

  /** One step of a session: logits, and what the plan keeps. */
  *continue(run: Run, rows: TokenRows, plan: RunPlan, cache: Map<string, Tensor>): Steps<Tensor> {
    this.#refuseEditedTaps(plan);
    this.active++;
    try {
      const virtual = plan.virtual.length > 0 ? new VirtualRun(run, plan.virtual) : undefined;
      const asked = virtual ? yield* virtual.tokens(rows, cache) : rows;
      if (asked !== rows) throw readOnlyTokens();
      run.setTokens(rows);
      yield* forward(run, plan, cache, this.#taps, virtual);
      return run.output();
    } finally {
      this.active--;
    }
  }

  #refuseEditedTaps(plan: RunPlan): void {
    const edit = plan.edits.find((e) => this.#taps.has(e.site));
    if (edit) throw readOnly(this.names[edit.site] as string);
  }

  /** Runs without hooks, in parts that fit into memory. */
  runInParts(rows: TokenRows, keep: readonly number[]): { logits: Tensor; cache: Map<string, Tensor> } {
    const into = new Collector(rows.batch);
    const size = this.#chunkable ? Math.min(rows.batch, examplesPerPart(this.elementsPerExample(rows.pos))) : rows.batch;
    const all = [...parts(rows, size)];
    const { names } = this;
    // Parts of equal size share a run; only the last one may be smaller.
    for (const batch of new Set(all.map((part) => part.batch))) {
      const same = all.filter((part) => part.batch === batch);
      const sizes = { batch, pos: rows.pos };
      const open = (): Run => this.inference(sizes, keep);
      driveSync(
        // biome-ignore lint/correctness/useYield: nothing to wait for without hooks
        this.using(open, function* (run): Steps<void> {
          for (const part of same) runPart(run, part, keep, names, into);
        }),
      );
    }
    const logits = into.tensors.get("") as Tensor;
    into.tensors.delete("");
    return { logits, cache: into.tensors };
  }

  /** Opens a run, gives it to `body` and closes it, whatever happens. */
  *using<T>(open: () => Run, body: (run: Run) => Steps<T>): Steps<T> {
    const run = open();
    this.active++;
    try {
      return yield* body(run);
    } finally {
      this.active--;
      run.close();
    }
  }

  /** A run that keeps every activation: gradients need them. */
  #withGradients(rows: TokenRows, ofParams: boolean): Run {
    return Run.withGradients(this.core, this.#program(), this.#axes, rows, this.#layouts, ofParams);
  }

  /** Elements of the activations of one example while it runs. */
  elementsPerExample(pos: number): number {
    const known = this.#elements.get(pos);
    if (known !== undefined) return known;
    const probe = this.inference({ batch: 1, pos }, []);
    const length = probe.arenaLength;
    this.#elements.set(pos, length);
    probe.close();
    return length;
  }
}

function noParamGrads(): TritlensError {
  return new TritlensError("E_MODE", "gradients of parameters do not go through a changed activation that no node of the model holds", {
    expected: "hooks elsewhere (attn.hook_q, attn.hook_z, ...), or no paramGrads",
    found: "both",
  });
}

function readOnlyTokens(): TritlensError {
  return new TritlensError("E_MODE", "tokens of a session cannot be changed by a hook", { expected: "other tokens for run()", found: "hook_tokens" });
}

function paramGradients(run: Run, weights: Weights, wanted: boolean | readonly string[]): Map<string, Tensor> {
  const names = typeof wanted === "boolean" ? weights.names().filter((name) => !weights.isStored(name)) : wanted;
  return new Map(
    names.map((name) => {
      const i = weights.index(name);
      const info = weights.infos[i] as { name: string; length: number };
      if (weights.isStored(name))
        throw new TritlensError("E_MODE", `parameter "${name}" is a matrix of a checkpoint and has no gradient`, {
          expected: "a model loaded with trainable: true",
          found: "a stored matrix",
        });
      return [weights.publicName(info.name), weights.shaped(i, run.paramGrad(i, info.length))];
    }),
  );
}
