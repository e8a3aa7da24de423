/** A flat row-major array of numbers. */
export type Floats = Float32Array | Float64Array;
