/** The followers of a leader: started when they are first needed, given requests, and let go when they fail. */
import { type FromFollower, type LaneResult, type Line, movable, type ToFollower } from "./messages.ts";

/** A share of the lanes. */
export interface Share {
  readonly first: number;
  readonly count: number;
}

/** Cuts `lanes` into `parts` contiguous shares, the leader's first. */
export function deal(lanes: number, parts: number): Share[] {
  const bound = (i: number): number => Math.floor((lanes * i) / parts);
  return Array.from({ length: parts }, (_, i) => ({ first: bound(i), count: bound(i + 1) - bound(i) }));
}

/** What a follower is asked: {@link FromFollower} comes back. */
export interface Ask extends Share {
  readonly trainer: number;
  readonly which: number;
  readonly backward: boolean;
  /** Steps taken so far. */
  readonly step: number;
  /** The present parameters and their number; sent when the follower has others. */
  readonly params: () => Float32Array;
  readonly version: number;
}

/** One follower as its leader sees it. */
export class Helper {
  readonly #line: Line;
  readonly #waiting: Map<number, { resolve: (answer: FromFollower) => void; reject: (reason: Error) => void }> = new Map();
  /** Trainers it knows, with the number of the parameters it has. */
  readonly #versions: Map<number, number> = new Map();
  #next = 0;
  #spare: { lanes: readonly LaneResult[]; params?: Float32Array<ArrayBuffer> } = { lanes: [] };
  #end: Error | undefined;

  constructor(line: Line, module: WebAssembly.Module) {
    this.#line = line;
    line.listen(
      (message) => this.#settle(message as FromFollower),
      (reason) => this.#fail(reason),
    );
    line.hold(false);
    this.tell({ kind: "start", module });
  }

  /** Whether it knows a trainer. */
  knows(trainer: number): boolean {
    return this.#versions.has(trainer);
  }

  /** Sends what is not answered. */
  tell(message: Exclude<ToFollower, { kind: "run" }>): void {
    if (message.kind === "open") this.#versions.set(message.trainer, -1);
    if (message.kind === "close") this.#versions.delete(message.trainer);
    if (!this.#end) this.#line.send(message, []);
  }

  /** Lets it compute lanes. */
  async run({ trainer, which, first, count, backward, step, params, version }: Ask): Promise<readonly LaneResult[]> {
    if (this.#end) throw this.#end;
    const id = this.#next++;
    const fresh = this.#versions.get(trainer) === version ? undefined : this.#copy(params());
    const spare = backward ? this.#spare.lanes : [];
    const request: ToFollower = { kind: "run", id, trainer, which, first, count, backward, step, spare, ...(fresh ? { params: fresh } : {}) };
    // What is sent away is gone from here.
    this.#spare = { lanes: backward ? [] : this.#spare.lanes, ...(fresh || !this.#spare.params ? {} : { params: this.#spare.params }) };
    this.#line.hold(true);
    try {
      const answer = await new Promise<FromFollower>((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        this.#line.send(request, movable(spare, fresh));
      });
      if ("error" in answer) throw new Error(answer.error);
      this.#versions.set(trainer, version);
      if (answer.params) this.#spare = { ...this.#spare, params: answer.params };
      return answer.lanes;
    } finally {
      this.#line.hold(this.#waiting.size > 0);
    }
  }

  /** Takes results back once they were read: their memory is used again. */
  recycle(lanes: readonly LaneResult[]): void {
    if (lanes.some((lane) => lane.parts.length > 0)) this.#spare = { ...this.#spare, lanes };
  }

  /** Ends it. */
  close(): void {
    this.#fail("it was ended");
    this.#line.end();
  }

  #copy(params: Float32Array): Float32Array<ArrayBuffer> {
    const old = this.#spare.params;
    const out = old && old.length === params.length ? old : new Float32Array(params.length);
    out.set(params);
    return out;
  }

  #settle(answer: FromFollower): void {
    this.#waiting.get(answer.id)?.resolve(answer);
    this.#waiting.delete(answer.id);
  }

  #fail(reason: string): void {
    this.#end ??= new Error(reason);
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}
