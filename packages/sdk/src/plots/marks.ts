/** Marks of series and groups: a colour is never the only difference. */
import { px } from "./shapes.ts";

const DASHES = ["", "6 3", "2 2.5", "8 3 2 3"];

/** Dashes of a line: the first six lines are solid, the next six dashed, and so on. */
export function dashOf(index: number): string {
  return DASHES[Math.floor(index / 6) % DASHES.length] as string;
}

/** Outline of a group's mark about (x, y). */
export function symbolPath(index: number, x: number, y: number, r: number): string {
  const poly = (points: readonly (readonly [number, number])[]): string =>
    `M${points.map(([a, b]) => `${px(x + a * r)} ${px(y + b * r)}`).join("L")}z`;
  switch (index % 6) {
    case 1:
      return poly([
        [0, -1.2],
        [1.1, 0.8],
        [-1.1, 0.8],
      ]);
    case 2:
      return poly([
        [-0.9, -0.9],
        [0.9, -0.9],
        [0.9, 0.9],
        [-0.9, 0.9],
      ]);
    case 3:
      return poly([
        [0, -1.3],
        [1.1, 0],
        [0, 1.3],
        [-1.1, 0],
      ]);
    case 4:
      return poly([
        [0, 1.2],
        [1.1, -0.8],
        [-1.1, -0.8],
      ]);
    case 5:
      return poly([
        [-0.4, -1.2],
        [0.4, -1.2],
        [0.4, -0.4],
        [1.2, -0.4],
        [1.2, 0.4],
        [0.4, 0.4],
        [0.4, 1.2],
        [-0.4, 1.2],
        [-0.4, 0.4],
        [-1.2, 0.4],
        [-1.2, -0.4],
        [-0.4, -0.4],
      ]);
    default:
      return `M${px(x - r)} ${px(y)}a${px(r)} ${px(r)} 0 1 0 ${px(2 * r)} 0a${px(r)} ${px(r)} 0 1 0 ${px(-2 * r)} 0z`;
  }
}
