/** Virtual activations of one run: worked out, hooked and captured as the run passes, changes carried to what is computed from them, gradients collected on the way back. */
import { TritlensError } from "../../core/errors.ts";
import { plus, subtract, Tensor } from "../../tensor/index.ts";
import { GRAD } from "../cache.ts";
import { type AsyncHookFn, SiteCall, type Steps } from "../drive.ts";
import type { Edit } from "../edit.ts";
import { type Run, staleView } from "../run.ts";
import type { TokenRows } from "../tokens.ts";
import { applyEdit, undoEdit } from "./apply-edit.ts";
import { tokenTensor } from "./list.ts";
import { same } from "./rows.ts";
import { BEFORE, type Change, type VirtualSite } from "./site.ts";

/** What is to happen at a virtual activation. */
export interface VirtualEntry {
  readonly site: VirtualSite;
  readonly edits: Edit[];
  readonly functions: AsyncHookFn[];
  readonly gradHooks: AsyncHookFn[];
  keep: boolean;
  keepGrad: boolean;
}

/** Whether a run may change the activation. */
export function mayChange({ edits, functions }: VirtualEntry): boolean {
  return edits.length + functions.length > 0;
}

/** What one run knows of an entry. */
interface State {
  readonly entry: VirtualEntry;
  change?: Change;
  /** Targets whose gradients are still to come. */
  missing: number;
  /** Sum of what targets gave: at what hooks left, and (where that differs) at what was worked out. */
  grad?: Tensor;
  plain?: Tensor;
  /** What the site it fires behind gets in addition. */
  difference?: Tensor;
}

/** The virtual activations of one run. */
export class VirtualRun {
  readonly #run: Run;
  readonly #states: readonly State[];

  constructor(run: Run, entries: readonly VirtualEntry[]) {
    this.#run = run;
    this.#states = entries.map((entry) => ({ entry, missing: entry.site.targets.length }));
  }

  /** Whether hooks changed something: then gradients of parameters are not those of the run. */
  get changed(): boolean {
    return this.#states.some((s) => s.change !== undefined);
  }

  /** Core sites to stop at on the way forward. */
  get forwardSites(): number[] {
    return this.#states.flatMap(({ entry }) => [entry.site.after, ...(mayChange(entry) ? entry.site.targets : [])]).filter((i) => i >= 0);
  }

  /** Core sites to stop at on the way back. */
  get backwardSites(): number[] {
    return this.#states.filter((s) => wantsGrad(s.entry)).flatMap(({ entry }) => [entry.site.after, ...entry.site.targets]);
  }

  /** The tokens, hooked and captured. @returns What to run. */
  *tokens(rows: TokenRows, cache: Map<string, Tensor>): Steps<TokenRows> {
    const state = this.#states.find((s) => s.entry.site.after === BEFORE);
    if (!state) return rows;
    yield* this.#fire(state, tokenTensor(rows), cache);
    return state.change ? { ...rows, data: idsOf(state.change.to.data) } : rows;
  }

  /** Before the hooks of a core site: what changed earlier shows here. */
  arrive(site: number): void {
    for (const { entry, change } of this.#states)
      if (change && entry.site.targets.includes(site)) entry.site.write(site, this.#run.view(site, "value"), change);
  }

  /** Behind the hooks of a core site: what is worked out from it fires. */
  *leave(site: number, cache: Map<string, Tensor>): Steps<void> {
    for (const state of this.#states) if (state.entry.site.after === site) yield* this.#fire(state, this.#run.view(site, "value"), cache);
  }

  /** On the way back, before the hooks of a core site: what gradients here changed. */
  arriveBack(site: number): void {
    for (const { entry, difference } of this.#states)
      if (difference && entry.site.after === site) entry.site.giveBack(this.#run.view(site, "grad"), difference);
  }

  /** On the way back, behind the hooks of a core site: gradients of what is computed from virtual activations. */
  *leaveBack(site: number, cache: Map<string, Tensor>): Steps<void> {
    for (const state of this.#states) {
      if (!wantsGrad(state.entry) || !state.entry.site.targets.includes(site)) continue;
      this.#collect(state, site);
      state.missing--;
      if (state.missing === 0) yield* this.#fireBack(state, cache);
    }
  }

  *#fire(state: State, base: Tensor, cache: Map<string, Tensor>): Steps<void> {
    const { entry } = state;
    const from = entry.site.read(base);
    if (!mayChange(entry)) {
      if (entry.keep) cache.set(entry.site.name, from);
      return;
    }
    const to = from.copy();
    for (const edit of entry.edits) applyEdit(to, edit);
    yield* this.#call(entry.functions, entry.site.name, to);
    if (!same(from.data, to.data)) state.change = { from, to };
    if (entry.keep) cache.set(entry.site.name, to);
  }

  #collect(state: State, target: number): void {
    const { site } = state.entry;
    const grad = this.#run.view(target, "grad");
    const base = this.#run.view(site.after, "value");
    const sum = (before: Tensor | undefined, value: Tensor | undefined): Tensor => {
      const part = site.grad(target, grad, base, value);
      return before ? plus(before, part) : part;
    };
    state.grad = sum(state.grad, state.change?.to);
    if (state.change) state.plain = sum(state.plain, undefined);
  }

  *#fireBack(state: State, cache: Map<string, Tensor>): Steps<void> {
    const { entry } = state;
    const found = state.grad as Tensor;
    const touched = mayChange(entry) || entry.gradHooks.length > 0;
    const grad = touched ? found.copy() : found;
    yield* this.#call(entry.gradHooks, entry.site.name, grad);
    if (entry.keepGrad) cache.set(entry.site.name + GRAD, touched ? grad.copy() : grad);
    if (!touched) return;
    for (const edit of entry.edits.toReversed()) undoEdit(grad, edit);
    state.difference = subtract(grad, state.plain ?? found);
  }

  /** Calls hooks with a value that they see until they return. */
  *#call(hooks: readonly AsyncHookFn[], name: string, value: Tensor): Steps<void> {
    let open = true;
    const source = (): Float32Array => {
      if (open) return value.data;
      throw staleView();
    };
    const call = new SiteCall(this.#run, new Tensor(source, value.shape, value.axes), name);
    for (const hook of hooks) {
      const returned = call.begin(hook);
      if (returned !== undefined) call.replace(yield returned);
      this.#run.leaveHook();
    }
    open = false;
  }
}

/** Tokens have no gradient. */
function wantsGrad(entry: VirtualEntry): boolean {
  return entry.site.after !== BEFORE && (entry.keepGrad || entry.gradHooks.length > 0 || mayChange(entry));
}

/** Ids that a hook left. @throws E_RANGE for what is no id. */
function idsOf(data: Float32Array): Int32Array {
  const wrong = data.findIndex((x) => !Number.isInteger(x) || x < 0);
  if (wrong >= 0)
    throw new TritlensError("E_RANGE", `the hook at "hook_tokens" left no token id`, {
      expected: "integers of at least 0",
      found: String(data[wrong]),
    });
  return Int32Array.from(data);
}
