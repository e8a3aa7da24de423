/** Subspaces: orthonormal bases, and how much two of them have in common. */
import { requireLength, Tensor, TritlensError } from "tritlens";

/**
 * An orthonormal basis of what the rows span, [dim, feature] (modified Gram-Schmidt, twice). Rows that depend on earlier ones are left out.
 *
 * @param rows - [row, feature].
 * @throws E_SHAPE for no matrix, E_NONFINITE.
 */
export function orthonormalBasis(rows: Tensor): Tensor {
  const [n, d] = rows.shape as unknown as [number, number];
  if (rows.shape.length !== 2)
    throw new TritlensError("E_SHAPE", "vectors have to be a matrix", { expected: "[row, feature]", found: `[${rows.shape.join(", ")}]` });
  if (!rows.data.every(Number.isFinite))
    throw new TritlensError("E_NONFINITE", "vectors have to be finite", { expected: "finite numbers", found: "NaN or infinity" });
  const basis: Float64Array[] = [];
  for (let r = 0; r < n; r++) {
    const row = Float64Array.from(rows.data.subarray(r * d, (r + 1) * d));
    const before = Math.sqrt(dot(row, row));
    for (let pass = 0; pass < 2; pass++)
      for (const u of basis) {
        const share = dot(row, u);
        for (let j = 0; j < d; j++) row[j] = (row[j] as number) - share * (u[j] as number);
      }
    const norm = Math.sqrt(dot(row, row));
    if (norm > 1e-6 * before) basis.push(row.map((x) => x / norm));
  }
  const out = new Float32Array(basis.length * d);
  for (const [i, u] of basis.entries()) out.set(u, i * d);
  return Tensor.from(out, [basis.length, d], ["dim", "feature"]);
}

/**
 * Overlap of the spans of two sets of vectors: the sum of squared cosines of their principal angles (the projection kernel, Hamm and Lee 2008) over the smaller dimension.
 * 1 when one contains the other, 0 when they are orthogonal; for random subspaces of dimensions k <= m of d features, m / d on average.
 *
 * @param a - [row, feature].
 * @param b - [row, feature].
 * @throws E_SHAPE for different numbers of features, or rows that are all 0; E_NONFINITE.
 */
export function projectionKernel(a: Tensor, b: Tensor): number {
  const [p, q] = [orthonormalBasis(a), orthonormalBasis(b)];
  const d = p.shape[1] as number;
  requireLength("the features of the second subspace", d, q.shape[1] as number);
  const least = Math.min(p.shape[0] as number, q.shape[0] as number);
  if (least === 0) throw new TritlensError("E_SHAPE", "a subspace is empty", { expected: "at least one vector that is not 0", found: "none" });
  let sum = 0;
  for (let i = 0; i < p.data.length; i += d)
    for (let j = 0; j < q.data.length; j += d) sum += dot(p.data.subarray(i, i + d), q.data.subarray(j, j + d)) ** 2;
  return sum / least;
}

function dot(a: Float32Array | Float64Array, b: Float32Array | Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j] as number) * (b[j] as number);
  return sum;
}
