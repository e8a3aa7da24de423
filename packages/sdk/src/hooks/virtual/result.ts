/** attn.hook_result: what each head adds to the residual stream. The heads of one position sum to hook_attn_out less the bias. */
import { Tensor } from "../../tensor/index.ts";
import { fakeInt8 } from "./norm.ts";
import type { ModelParts } from "./part.ts";
import { addHeadRows, blockOf, headRows, headsOf, transposed } from "./rows.ts";
import type { Change, VirtualSite } from "./site.ts";

/** Where a block's results are. */
export interface ResultPlace {
  readonly name: string;
  /** The last site before W_O. */
  readonly after: number;
  /** hook_attn_out. */
  readonly target: number;
  /** Name of W_O. */
  readonly weight: string;
  /** Gain between the site and W_O, where there is one. */
  readonly gain: string | undefined;
}

/** The outputs of the heads of a block. */
export class HeadResult implements VirtualSite {
  readonly name: string;
  readonly after: number;
  readonly targets: readonly number[];
  readonly excludes: readonly string[] = [];
  readonly perPosition: number;
  readonly #parts: ModelParts;
  readonly #place: ResultPlace;

  constructor(parts: ModelParts, place: ResultPlace) {
    this.name = place.name;
    this.after = place.after;
    this.targets = [place.target];
    this.perPosition = parts.config.nHeads * parts.config.dModel;
    this.#parts = parts;
    this.#place = place;
  }

  read(base: Tensor): Tensor {
    const { heads, width, rows } = headsOf(base);
    const { core, config } = this.#parts;
    const d = config.dModel;
    const matrix = this.#parts.read(this.#place.weight);
    const gain = this.#gain();
    const scaled = gain ? base.data.map((x, i) => x * (gain[i % gain.length] as number)) : base.data;
    const x = this.#parts.int8(this.#place.weight) ? fakeInt8(core, scaled, heads * width) : scaled;
    const z = Tensor.from(x, base.shape, base.axes);
    const out = this.#zeros(base);
    for (let h = 0; h < heads; h++)
      addHeadRows(out, h, this.#parts.matmul(headRows(z, h), transposed(matrix, h * width, d, width, heads * width), rows, width, d));
    return out;
  }

  write(_target: number, value: Tensor, { from, to }: Change): void {
    const { heads } = headsOf(to);
    for (let h = 0; h < heads; h++) {
      addHeadRows(value, 0, headRows(to, h));
      addHeadRows(value, 0, headRows(from, h), -1);
    }
  }

  grad(_target: number, grad: Tensor, base: Tensor): Tensor {
    const out = this.#zeros(base);
    const { heads } = headsOf(out);
    for (let h = 0; h < heads; h++) addHeadRows(out, h, grad.data);
    return out;
  }

  giveBack(grad: Tensor, difference: Tensor): void {
    const { heads, width, rows } = headsOf(grad);
    const d = this.#parts.config.dModel;
    const [matrix, gain] = [this.#parts.read(this.#place.weight), this.#gain()];
    for (let h = 0; h < heads; h++) {
      const block = blockOf(matrix, h * width, d, width, heads * width);
      const add = this.#parts.matmul(headRows(difference, h), block, rows, d, width);
      addHeadRows(grad, h, gain ? add.map((x, i) => x * (gain[h * width + (i % width)] as number)) : add);
    }
  }

  #gain(): Float32Array | undefined {
    return this.#place.gain === undefined ? undefined : this.#parts.read(this.#place.gain);
  }

  #zeros({ shape }: Tensor): Tensor {
    const [batch, pos, heads] = shape as [number, number, number];
    const d = this.#parts.config.dModel;
    return Tensor.from(new Float32Array(batch * pos * heads * d), [batch, pos, heads, d], ["batch", "pos", "head", "d_model"]);
  }
}
