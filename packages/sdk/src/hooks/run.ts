/** One open run of the core, with views of its activations. */
import type { Core, ProgramHandle, RunHandle, RunInfo, SessionHandle, SitePlace } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import { Tensor } from "../tensor/index.ts";
import { encodeEdits, type SiteEdit } from "./edit.ts";
import type { TokenRows } from "./tokens.ts";

/**
 * Layouts of runs by their sizes. The core describes a layout as text with every site in it, which costs more than a small run: a model asks once for each size.
 */
export class RunLayouts {
  readonly #known: Map<string, RunInfo> = new Map();

  /** The layout of an open run with these sizes. */
  of(core: Core, run: RunHandle, batch: number, pos: number): RunInfo {
    const key = `${batch} ${pos}`;
    const known = this.#known.get(key);
    if (known) return known;
    // Sizes that come and go (a growing prompt, say) must not pile up.
    if (this.#known.size >= 64) this.#known.clear();
    const info = core.describeRun(run);
    this.#known.set(key, info);
    return info;
  }
}

/** Forward values or their gradients. */
export type Side = "value" | "grad";

/**
 * A run: an arena with room for every activation of a batch, and the step machine over it. Hook functions get theirs as `hook.run`; stepping it from
 * inside of a hook is E_BUSY, because the machine stands still there.
 */
export class Run {
  /** The core's name for this run. */
  readonly handle: RunHandle;
  /** Whether activations stay where they are until the run is closed; else one can be looked at only while the run stands at its site. */
  readonly retains: boolean;
  readonly #core: Core;
  readonly #axes: readonly (readonly string[])[];
  readonly #info: RunInfo | undefined;
  #generation = 0;
  #busy = false;
  #open = true;

  private constructor(core: Core, handle: RunHandle, axes: readonly (readonly string[])[], info: RunInfo | undefined) {
    this.#core = core;
    this.#axes = axes;
    this.handle = handle;
    this.#info = info;
    this.retains = info !== undefined;
  }

  /** A run that keeps every activation and has gradients. @param axes - Names of the axes of every site (see `axesOf`). @param layouts - Of this program's runs. @param ofParams - Gradients of parameters too: as much memory as the model, and half of the time. */
  static withGradients(
    core: Core,
    program: ProgramHandle,
    axes: readonly (readonly string[])[],
    rows: { batch: number; pos: number },
    layouts: RunLayouts = new RunLayouts(),
    ofParams = true,
  ): Run {
    const handle = core.openRun(program, rows.batch, rows.pos, ofParams ? 2 : 1);
    return new Run(core, handle, axes, layouts.of(core, handle, rows.batch, rows.pos));
  }

  /** A forward run whose activations share memory: only the sites in `listen` can be looked at. */
  static inference(
    core: Core,
    program: ProgramHandle,
    axes: readonly (readonly string[])[],
    rows: { batch: number; pos: number },
    listen: Iterable<number>,
    { session, lastOnly }: { session: SessionHandle | 0; lastOnly: boolean },
  ): Run {
    const mask = maskOf(listen, axes.length);
    return new Run(core, core.openInference(program, session, rows.batch, rows.pos, mask, lastOnly), axes, undefined);
  }

  /** Elements of the arena. */
  get arenaLength(): number {
    return this.#info?.arenaLength ?? this.#core.arena(this.handle).length;
  }

  /** Sets the tokens and rewinds the run. */
  setTokens(rows: TokenRows): void {
    this.#check();
    this.#core.setTokens(this.handle, rows.data);
  }

  /** Chooses the sites to pause at, forward and backward. */
  setPause(forward: Iterable<number>, backward: Iterable<number>): void {
    const sites = this.#axes.length;
    this.#core.setPause(this.handle, maskOf(forward, sites), maskOf(backward, sites));
  }

  /** Replaces the run's data edits. */
  setEdits(edits: readonly SiteEdit[]): void {
    const placed = edits.map((e) => ({ ...e, shape: this.#place(e.site).shape, axes: this.#axes[e.site] as readonly string[] }));
    const { ints, floats } = encodeEdits(placed);
    this.#core.setEdits(this.handle, ints, floats);
  }

  /** Forward to the next paused site; its index, or -1 at the end. @throws E_BUSY inside of this run's own hook. */
  step(): number {
    this.#check();
    this.#generation++;
    return this.#core.step(this.handle);
  }

  /** Backward to the next paused site; its index, or -1 at the end. @throws E_BUSY inside of this run's own hook. */
  stepBack(): number {
    this.#check();
    this.#generation++;
    return this.#core.stepBack(this.handle);
  }

  /** Mean cross-entropy; seeds the gradient. */
  loss(targets: Int32Array): number {
    this.#check();
    return this.#core.loss(this.handle, targets);
  }

  /** Seeds the gradient of the output. */
  seedGrad(grad: Float32Array): void {
    this.#check();
    this.#core.seedGrad(this.handle, grad);
  }

  /** Gradient of a parameter (the core's layout), by index. */
  paramGrad(param: number, length: number): Float32Array {
    const out = new Float32Array(length);
    this.#core.readParamGrad(this.handle, param, out);
    return out;
  }

  /** A live view of a site; reading it after the next step throws E_CLOSED. */
  view(site: number, side: Side): Tensor {
    const { offset, gradOffset, length, shape } = this.#place(site);
    return new Tensor(this.#source(side === "value" ? offset : gradOffset, length), shape, this.#axes[site] as readonly string[]);
  }

  /** A copy of a site. */
  copy(site: number, side: Side): Tensor {
    return this.view(site, side).copy();
  }

  /** A copy of the program's output. */
  output(): Tensor {
    const { offset, length, shape } = this.#info?.output ?? this.#placed(-1);
    const axes = shape.length === 2 ? ["batch", "class"] : ["batch", "pos", "class"];
    return new Tensor(this.#source(offset, length), shape, axes).copy();
  }

  /** Marks that a hook of this run is being called. */
  enterHook(): void {
    this.#busy = true;
  }

  /** The hook returned. */
  leaveHook(): void {
    this.#busy = false;
  }

  /** Gives the run back. Safe to call twice. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#generation++;
    this.#core.closeRun(this.handle);
  }

  #check(): void {
    if (!this.#open) throw new TritlensError("E_CLOSED", "the run is closed");
    if (this.#busy)
      throw new TritlensError("E_BUSY", "a run cannot be stepped from inside of its own hook", {
        expected: "another run",
        found: "the run that called the hook",
      });
  }

  #place(site: number): SitePlace {
    return (this.#info?.sites[site] as SitePlace | undefined) ?? this.#placed(site);
  }

  /** Where a site lies now: places of an inference run change with the positions before it. */
  #placed(site: number): SitePlace {
    const out = new Float64Array(8);
    this.#core.sitePlace(this.handle, site, out);
    const [offset, length, gradOffset, axes] = out as unknown as [number, number, number, number];
    return { offset, length, gradOffset, shape: Array.from(out.subarray(4, 4 + axes)) };
  }

  /** The data behind a view: fetched when first read, made anew when WASM memory grew, refused when the run moved on. */
  #source(offset: number, length: number): () => Float32Array {
    const born = this.#generation;
    let data: Float32Array | undefined;
    return () => {
      if (born !== this.#generation) throw staleView();
      if (data === undefined || (data.byteLength === 0 && length > 0)) data = this.#core.arena(this.handle).subarray(offset, offset + length);
      return data;
    };
  }
}

/** The error for reading a view after the run moved on. */
export function staleView(): TritlensError {
  return new TritlensError("E_CLOSED", "this view belongs to a step that is over", {
    expected: "tensor.copy() inside of the hook",
    found: "the view itself",
  });
}

/** One byte a site. */
function maskOf(on: Iterable<number>, sites: number): Uint8Array {
  const bytes = new Uint8Array(sites);
  for (const site of on) bytes[site] = 1;
  return bytes;
}
