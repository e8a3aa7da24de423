/** Matrices of low rank as a product of two thin ones: what a head does to the residual stream, without ever writing it down. */
import { type Core, defaultCore, requireLength, requireShape, stack, Tensor, TritlensError } from "tritlens";
import { type ComplexNumbers, flippedMatrix, matrixProduct, realEigenvalues, type Svd, thinQr, thinSvd } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of a {@link FactoredMatrix}. */
export interface FactoredMatrixOptions {
  /** The core that multiplies; that of `loadCore` when left out. */
  readonly core?: Core;
}

/** Singular values and vectors of a {@link FactoredMatrix}: `M = U diag(S) Vh^T`. */
export interface FactoredSvd {
  /** Left vectors as columns, [..., left, k]. */
  readonly U: Tensor;
  /** Falling, [..., k]. */
  readonly S: Tensor;
  /** Right vectors as columns, [..., right, k] (TransformerLens's layout, in spite of the name). */
  readonly Vh: Tensor;
}

/** Eigenvalues of a {@link FactoredMatrix}, by falling absolute value, each [..., k]. */
export interface FactoredEigenvalues {
  /** Real parts, [..., mid]. */
  readonly re: Tensor;
  /** Imaginary parts, [..., mid]. */
  readonly im: Tensor;
  /** Absolute values, [..., mid]. */
  readonly abs: Tensor;
}

/**
 * `A B` with A [..., left, mid] and B [..., mid, right] and the same leading axes (layers, heads). Rows are inputs and columns outputs, as in TransformerLens: `x A B`.
 *
 * Not for matrices of full rank: then two factors cost more than the product.
 *
 * @example
 * ```ts
 * const ov = ovCircuit(model);              // [layer, head, d_model_in, d_model_out], rank d_head
 * ov.svd().S;                               // [layer, head, d_head]
 * ov.index(1, 4).multiply(model.W_U).norm();
 * ```
 */
export class FactoredMatrix extends Result {
  /** [..., left, mid]. */
  readonly A: Tensor;
  /** [..., mid, right]. */
  readonly B: Tensor;
  readonly #core: Core;
  #svd: FactoredSvd | undefined;

  /** @throws E_SHAPE when the inner axes differ, or the leading axes do (a factor without leading axes serves every matrix). */
  constructor(A: Tensor, B: Tensor, { core = defaultCore() }: FactoredMatrixOptions = {}) {
    super();
    requireMatrices(A, B);
    const lead = A.shape.length >= B.shape.length ? A : B;
    const count = lead.shape.length - 2;
    [this.A, this.B] = [spread(A, lead, count), spread(B, lead, count)];
    requireShape("the leading axes of B", this.A.shape.slice(0, -2), this.B.shape.slice(0, -2));
    this.#core = core;
  }

  /** Rows. */
  get ldim(): number {
    return this.A.shape.at(-2) as number;
  }

  /** Inner extent. */
  get mdim(): number {
    return this.A.shape.at(-1) as number;
  }

  /** Columns. */
  get rdim(): number {
    return this.B.shape.at(-1) as number;
  }

  /** [..., left, right]. */
  get shape(): readonly number[] {
    return [...this.#lead.shape, this.ldim, this.rdim];
  }

  /** Names of the axes of the product. */
  get axes(): readonly string[] {
    return [...this.#lead.axes, this.A.axes.at(-2) as string, this.B.axes.at(-1) as string];
  }

  /** Both factors. */
  get pair(): readonly [A: Tensor, B: Tensor] {
    return [this.A, this.B];
  }

  /** The product, [..., left, right]. Large: a head of a model of width 4096 is 67 MB. */
  get AB(): Tensor {
    return this.#product(this.A, this.B);
  }

  /** The reverse product, [..., mid, mid], which has the same eigenvalues. @throws E_SHAPE unless the matrix is square. */
  get BA(): Tensor {
    this.#requireSquare();
    return this.#product(this.B, this.A);
  }

  /** The transpose. */
  get T(): FactoredMatrix {
    return this.#of(swapLast(this.B), swapLast(this.A));
  }

  /** Left singular vectors, [..., left, k]. */
  get U(): Tensor {
    return this.svd().U;
  }

  /** Singular values, [..., k]. */
  get S(): Tensor {
    return this.svd().S;
  }

  /** Right singular vectors as columns, [..., right, k]. */
  get Vh(): Tensor {
    return this.svd().Vh;
  }

  /** Eigenvalues, [..., mid] each: those of B A, the others are 0. @throws E_SHAPE unless the matrix is square. */
  get eigenvalues(): FactoredEigenvalues {
    this.#requireSquare();
    const { ldim, mdim } = this;
    const all = this.#each((a, b): ComplexNumbers => realEigenvalues(matrixProduct(b, a, mdim, ldim, mdim), mdim));
    const read = (f: (x: ComplexNumbers, i: number) => number): Tensor =>
      this.#gather(
        all.map((x) => Float32Array.from({ length: mdim }, (_, i) => f(x, i))),
        [mdim],
        ["eigenvalue"],
      );
    return { re: read((x, i) => x.re[i]), im: read((x, i) => x.im[i]), abs: read((x, i) => Math.hypot(x.re[i], x.im[i])) };
  }

  /** Singular value decomposition of rank k = min(left, mid, right), from the factors; computed once. */
  svd(): FactoredSvd {
    if (this.#svd) return this.#svd;
    const { ldim, mdim, rdim } = this;
    const k = Math.min(ldim, mdim, rdim);
    const all = this.#each((a, b) => factoredSvd(a, b, ldim, mdim, rdim));
    this.#svd = {
      U: this.#gather(
        all.map((x) => leading(x.u, ldim, x.k, k)),
        [ldim, k],
        [this.A.axes.at(-2) as string, "singular"],
      ),
      S: this.#gather(
        all.map((x) => Float32Array.from(x.s.subarray(0, k))),
        [k],
        ["singular"],
      ),
      Vh: this.#gather(
        all.map((x) => leading(x.v, rdim, x.k, k)),
        [rdim, k],
        [this.B.axes.at(-1) as string, "singular"],
      ),
    }; // prettier-ignore
    return this.#svd;
  }

  /** Frobenius norm of each matrix, [...]. */
  norm(): Tensor {
    const { S } = this;
    const k = S.shape.at(-1) as number;
    const out = Float32Array.from({ length: S.size / k }, (_, i) => Math.hypot(...S.data.subarray(i * k, (i + 1) * k)));
    return Tensor.from(out, this.#lead.shape, this.#lead.axes);
  }

  /** The same product with orthogonal factors that share the singular values: `U sqrt(S)` and `sqrt(S) V^T`. */
  makeEven(): FactoredMatrix {
    const { U, S, Vh } = this.svd();
    const roots = S.data.map(Math.sqrt);
    return this.#of(scaleColumns(U, roots), swapLast(scaleColumns(Vh, roots)));
  }

  /** The first rows and columns of the product, [..., k, k] (3 of each). */
  getCorner(k = 3): Tensor {
    const at = this.A.shape.length - 2;
    const [rows, columns] = [Math.min(k, this.ldim), Math.min(k, this.rdim)];
    return this.#product(this.A.slice(at, [0, rows]), this.B.slice(at + 1, [0, columns]));
  }

  /** Without the orthogonal factor on the left: `S V^T`, [..., k, right]; norms and products from the right are those of the matrix. */
  collapseL(): Tensor {
    return swapLast(scaleColumns(this.Vh, this.S.data));
  }

  /** Without the orthogonal factor on the right: `U S`, [..., left, k]. */
  collapseR(): Tensor {
    return scaleColumns(this.U, this.S.data);
  }

  /**
   * The product with what stands on its right: a vector [right] gives a tensor [..., left], a matrix [right, n] or another factored matrix a factored matrix.
   *
   * @throws E_SHAPE.
   */
  multiply(other: FactoredMatrix): FactoredMatrix;
  multiply(other: Tensor): FactoredMatrix | Tensor;
  multiply(other: Tensor | FactoredMatrix): FactoredMatrix | Tensor {
    if (other instanceof FactoredMatrix) return (this.multiply(other.A) as FactoredMatrix).multiply(other.B) as FactoredMatrix;
    if (other.shape.length === 1) {
      requireLength("the vector on the right", this.rdim, other.size);
      const column = this.#product(this.A, this.#product(this.B, other.reshape([this.rdim, 1], [other.axes[0] as string, "one"])));
      return column.reshape(column.shape.slice(0, -1), column.axes.slice(0, -1));
    }
    requireInner(this.rdim, other.shape.at(-2) as number);
    return this.rdim > this.mdim ? this.#of(this.A, this.#product(this.B, other)) : this.#of(this.AB, other);
  }

  /** The product with what stands on its left: a vector [left] gives a tensor [..., right], a matrix [n, left] a factored matrix. @throws E_SHAPE. */
  multiplyLeft(other: Tensor): FactoredMatrix | Tensor {
    if (other.shape.length === 1) {
      requireLength("the vector on the left", this.ldim, other.size);
      const row = this.#product(this.#product(other.reshape([1, this.ldim], ["one", other.axes[0] as string]), this.A), this.B);
      return row.reshape(row.shape.toSpliced(-2, 1), row.axes.toSpliced(-2, 1));
    }
    requireInner(this.ldim, other.shape.at(-1) as number);
    return this.ldim > this.mdim ? this.#of(this.#product(other, this.A), this.B) : this.#of(other, this.AB);
  }

  /** Times a number. */
  scale(factor: number): FactoredMatrix {
    return this.#of(
      Tensor.from(
        this.A.data.map((x) => x * factor),
        this.A.shape,
        this.A.axes,
      ),
      this.B,
    );
  }

  /** One of the matrices, or those of one place of the first axes: `ov.index(layer, head)`. @throws E_RANGE, E_NAME. */
  index(...places: readonly number[]): FactoredMatrix {
    const cut = (t: Tensor): Tensor => places.reduce((x, i) => x.slice(0, i), t);
    if (places.length > this.#lead.shape.length)
      throw new TritlensError("E_SHAPE", "more indices than leading axes", {
        expected: `at most ${this.#lead.shape.length} (${this.#lead.axes.join(", ")})`,
        found: `${places.length}`,
      });
    return this.#of(cut(this.A), cut(this.B));
  }

  /** Spectra of all matrices. */
  override chart(): Chart {
    const { S } = this;
    const k = S.shape.at(-1) as number;
    const { shape } = this.#lead;
    const series = Array.from({ length: S.size / k }, (_, i) => ({
      name: nameOf(i, shape, this.#lead.axes),
      values: S.data.slice(i * k, (i + 1) * k),
    }));
    return {
      kind: "lines",
      title: `Singular values, [${this.axes.join(", ")}] of rank ${k}`,
      x: { name: "index", values: Array.from({ length: k }, (_, i) => i) },
      series,
      unit: "singular value",
    };
  }

  /** Shape and inner extent. */
  override toString(): string {
    return `FactoredMatrix [${this.axes.map((axis, i) => `${axis} ${this.shape[i]}`).join(", ")}], inner ${this.mdim}`;
  }

  get #lead(): { readonly shape: readonly number[]; readonly axes: readonly string[] } {
    return { shape: this.A.shape.slice(0, -2), axes: this.A.axes.slice(0, -2) };
  }

  #of(A: Tensor, B: Tensor): FactoredMatrix {
    return new FactoredMatrix(A, B, { core: this.#core });
  }

  #requireSquare(): void {
    if (this.ldim === this.rdim) return;
    throw new TritlensError("E_SHAPE", "only a square matrix has eigenvalues", {
      expected: `${this.ldim} columns`,
      found: `${this.ldim} x ${this.rdim}`,
    });
  }

  /** f of the factors of each matrix. */
  #each<T>(f: (a: Float32Array, b: Float32Array) => T): T[] {
    const [a, b] = [this.ldim * this.mdim, this.mdim * this.rdim];
    const count = a === 0 ? 0 : this.A.size / a;
    const [A, B] = [this.A.data, this.B.data];
    return Array.from({ length: count }, (_, i) => f(A.subarray(i * a, (i + 1) * a), B.subarray(i * b, (i + 1) * b)));
  }

  #gather(parts: readonly Float32Array[], shape: readonly number[], axes: readonly string[]): Tensor {
    const all = stack(
      parts.map((data) => Tensor.from(data, shape, axes)),
      "matrix",
    );
    return all.reshape([...this.#lead.shape, ...shape], [...this.#lead.axes, ...axes]);
  }

  /** Products of two stacks of matrices; one without leading axes serves every matrix of the other. */
  #product(x: Tensor, y: Tensor): Tensor {
    const lead = x.shape.length >= y.shape.length ? x : y;
    const count = lead.shape.length - 2;
    const [left, right] = [spread(x, lead, count), spread(y, lead, count)];
    requireShape("the leading axes of the second factor", left.shape.slice(0, -2), right.shape.slice(0, -2));
    const [m, k, n] = [left.shape.at(-2) as number, left.shape.at(-1) as number, right.shape.at(-1) as number];
    const matrices = left.size / (m * k);
    const out = new Float32Array(matrices * m * n);
    for (let i = 0; i < matrices; i++)
      this.#core.matmul(
        left.data.subarray(i * m * k, (i + 1) * m * k),
        right.data.subarray(i * k * n, (i + 1) * k * n),
        m,
        k,
        n,
        out.subarray(i * m * n, (i + 1) * m * n),
      );
    return Tensor.from(out, [...left.shape.slice(0, -1), n], [...left.axes.slice(0, -1), right.axes.at(-1) as string]);
  }
}

/** SVD of a b through QR of both: the core of it is a small square. */
function factoredSvd(a: Float32Array, b: Float32Array, l: number, m: number, r: number): Svd {
  const left = thinQr(a, l, m);
  const right = thinQr(flippedMatrix(b, m, r), r, m);
  const middle = matrixProduct(left.r, flippedMatrix(right.r, right.k, m), left.k, m, right.k);
  const { u, s, v, k } = thinSvd(middle, left.k, right.k);
  return { u: matrixProduct(left.q, u, l, left.k, k), s, v: matrixProduct(right.q, v, r, right.k, k), k };
}

/** The first `keep` of `k` columns. */
function leading(a: Float64Array, rows: number, k: number, keep: number): Float32Array {
  return Float32Array.from({ length: rows * keep }, (_, i) => a[Math.floor(i / keep) * k + (i % keep)]);
}

/** Column c of each matrix [rows, k] times its own factor. */
function scaleColumns(x: Tensor, factors: Float32Array): Tensor {
  const [rows, k] = [x.shape.at(-2) as number, x.shape.at(-1) as number];
  return Tensor.from(
    x.data.map((value, i) => value * factors[Math.floor(i / (rows * k)) * k + (i % k)]),
    x.shape,
    x.axes,
  );
}

/** Transposes each matrix of a stack. */
function swapLast(x: Tensor): Tensor {
  const [rows, cols] = [x.shape.at(-2) as number, x.shape.at(-1) as number];
  const out = new Float32Array(x.size);
  for (let at = 0; at < x.size; at += rows * cols) out.set(flippedMatrix(x.data.subarray(at, at + rows * cols), rows, cols), at);
  return Tensor.from(out, [...x.shape.slice(0, -2), cols, rows], [...x.axes.slice(0, -2), x.axes.at(-1) as string, x.axes.at(-2) as string]);
}

/** A matrix without leading axes, once for every matrix of another stack. */
function spread(x: Tensor, lead: Tensor, count: number): Tensor {
  if (x.shape.length === count + 2 || x.shape.length > 2) return x;
  const copies = lead.shape.slice(0, count).reduce((n, d) => n * d, 1);
  const out = new Float32Array(copies * x.size);
  for (let i = 0; i < copies; i++) out.set(x.data, i * x.size);
  return Tensor.from(out, [...lead.shape.slice(0, count), ...x.shape], [...lead.axes.slice(0, count), ...x.axes]);
}

function requireMatrices(A: Tensor, B: Tensor): void {
  for (const [name, t] of [
    ["A", A],
    ["B", B],
  ] as const)
    if (t.shape.length < 2)
      throw new TritlensError("E_SHAPE", `factor ${name} is no matrix`, { expected: "at least two axes", found: `[${t.shape.join(", ")}]` }); // prettier-ignore
  requireInner(A.shape.at(-1) as number, B.shape.at(-2) as number);
}

function requireInner(expected: number, found: number): void {
  if (expected === found) return;
  throw new TritlensError("E_SHAPE", "the inner extents of a product differ", { expected: `${expected}`, found: `${found}` });
}

/** `L1H4` for layers and heads, else the indices. */
function nameOf(i: number, shape: readonly number[], axes: readonly string[]): string {
  if (shape.length === 2 && axes[0] === "layer" && axes[1] === "head") return `L${Math.floor(i / (shape[1] as number))}H${i % (shape[1] as number)}`;
  return shape.length === 0 ? "matrix" : `${axes.join(" ")} ${i}`;
}
