/** A running server. */
export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

export function serve(folder?: string, port?: number, isolated?: boolean): Promise<Served>;
