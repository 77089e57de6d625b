/** What is wrong with a request. It may be wrong as often as its body is long: the first faults are kept, the rest counted. */

/** As an answer tells them. `more_errors`: how many there are beyond `errors`; absent: none. */
export type ToldFaults<T> = {
  readonly errors: readonly T[];
  readonly more_errors?: number;
};

export class Faults<T> {
  readonly #most: number;
  readonly #first: T[] = [];
  #count = 0;

  /** @param most how many are kept. */
  constructor(most: number) {
    this.#most = most;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** The first of them. */
  get first(): readonly T[] {
    return this.#first;
  }

  push(fault: T): void {
    this.#count++;
    if (this.#first.length < this.#most) this.#first.push(fault);
  }

  /** @param shape of one fault in the answer. */
  told<U>(shape: (fault: T) => U): ToldFaults<U> {
    const errors = this.#first.map(shape);
    const more = this.#count - errors.length;
    return more === 0 ? { errors } : { errors, more_errors: more };
  }
}
